"""GET and POST /register: a new account, signed in at once. The first one of an install becomes its administrator."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chatkeep_ui.auth_client import Registration, SecondFactorNeeded
from chatkeep_ui.forms import FROM_ELSEWHERE, Forms, Refusal
from chatkeep_ui.problem import ApiError

_FIELDS = ("email", "password", "name", "setup_code")
_KEPT = ("name", "email", "setup_code")
# Shown while the API cannot be asked: the strictest guess does no harm, since the API decides.
_UNKNOWN = Registration(open=True, first_user=False, setup_code_required=False, password_min_length=15)


class RegistrationPage:
    """Says the password rule before it is broken, and asks for the setup code only where the API wants one."""

    def __init__(self, forms: Forms) -> None:
        self._forms = forms

    async def show(self, request: Request) -> Response:
        """The empty form."""
        if self._forms.may_be_signed_in(request):
            return RedirectResponse("/", status_code=303)
        registration, refusal = await self._registration(request)
        return self._form(registration, {}, refusal)

    async def submit(self, request: Request) -> Response:
        """Register what was typed and sign in."""
        typed = await self._forms.read(request)
        registration, refusal = await self._registration(request)
        if not self._forms.origins.allow_form(request):
            refusal = Refusal(FROM_ELSEWHERE, status=HTTPStatus.FORBIDDEN)
        refusal = refusal or _missing(registration, typed)
        if refusal is not None:
            return self._form(registration, typed, refusal)
        try:
            return await self._register(request, typed)
        except ApiError as error:
            return self._form(registration, typed, Refusal.of(error, _FIELDS))

    async def _register(self, request: Request, typed: dict[str, str]) -> Response:
        caller = self._forms.caller(request)
        fields = {name: typed[name].strip() for name in _KEPT if typed.get(name, "").strip()}
        created = await self._forms.auth.register(caller, fields | {"password": typed["password"]})
        if not created:
            return self._forms.check_mail(request, fields["email"], "register")
        granted = await self._forms.auth.login(caller, fields["email"], typed["password"])
        if isinstance(granted, SecondFactorNeeded):
            # Nobody who has just registered has one: this is somebody else's account, and their password.
            return RedirectResponse("/sign-in", status_code=303)
        return await self._forms.let_in(request, granted, "/")

    async def _registration(self, request: Request) -> tuple[Registration, Refusal | None]:
        try:
            return await self._forms.auth.registration(self._forms.caller(request)), None
        except ApiError as error:
            return _UNKNOWN, Refusal.of(error, ())

    def _form(self, registration: Registration, typed: dict[str, str], refusal: Refusal | None) -> Response:
        if not registration.open and not registration.first_user:
            return self._forms.show("registration_closed.html", refusal)
        kept = {name: typed.get(name, "") for name in _KEPT}
        return self._forms.show("register.html", refusal, registration=registration, **kept)


def _missing(registration: Registration, typed: dict[str, str]) -> Refusal | None:
    """What the browser would have asked for, for browsers and people that went around it."""
    errors = {}
    if not typed.get("email", "").strip():
        errors["email"] = "Type your e-mail address."
    if len(typed.get("password", "")) < registration.password_min_length:
        errors["password"] = f"Use at least {registration.password_min_length} characters."
    if registration.setup_code_required and not typed.get("setup_code", "").strip():
        errors["setup_code"] = "Type the setup code that the server printed when it started."
    return Refusal(errors=errors) if errors else None
