"""/verify-email: an e-mail address is confirmed by the token that was sent to it; see `password_reset.py`.

/verify-email/resend sends another, for who tried to sign in without.
"""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chatkeep_ui.forms import FROM_ELSEWHERE, Forms, Refusal
from chatkeep_ui.problem import ApiError


class EmailVerificationPage:
    """One button: opening the link alone confirms nothing."""

    def __init__(self, forms: Forms) -> None:
        self._forms = forms

    async def show(self, request: Request) -> Response:
        """The form, which the mailed link leads to."""
        return self._form("")

    async def submit(self, request: Request) -> Response:
        """Confirm."""
        typed = await self._forms.read(request)
        token = typed.get("token", "").strip()
        if not self._forms.origins.allow_form(request):
            return self._form(token, Refusal(FROM_ELSEWHERE, status=HTTPStatus.FORBIDDEN))
        try:
            await self._forms.auth.tell(self._forms.caller(request), "/auth/verify-email", {"token": token})
        except ApiError as error:
            return self._form(token, Refusal.of(error, ("token",)))
        return RedirectResponse("/sign-in?because=verified", status_code=303)

    def _form(self, token: str, refusal: Refusal | None = None) -> Response:
        return self._forms.show("verify_email.html", refusal, token=token)


class ResendPage:
    """Where the sign-in ends for an address that is not confirmed."""

    def __init__(self, forms: Forms) -> None:
        self._forms = forms

    async def show(self, request: Request) -> Response:
        """There is nothing here to look at without an address."""
        return RedirectResponse("/sign-in", status_code=303)

    async def ask(self, email: str, refusal: Refusal | None = None) -> Response:
        """What is missing, and a button."""
        return self._forms.show("unconfirmed.html", refusal or Refusal(status=HTTPStatus.FORBIDDEN), email=email)

    async def submit(self, request: Request) -> Response:
        """Let the API send the mail, if the address waits for one."""
        email = (await self._forms.read(request)).get("email", "").strip()
        if not self._forms.origins.allow_form(request):
            return await self.ask(email, Refusal(FROM_ELSEWHERE, status=HTTPStatus.FORBIDDEN))
        try:
            await self._forms.auth.tell(self._forms.caller(request), "/auth/verify-email/resend", {"email": email})
        except ApiError as error:
            return await self.ask(email, Refusal.of(error, ()))
        return self._forms.check_mail(request, email, "register")
