"""GET and POST /sign-in/passkey: a passkey is all that it takes."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from chatkeep_ui.account.credentials import credential_in, wrong_name
from chatkeep_ui.destination import destination, own_page_in
from chatkeep_ui.forms import FROM_ELSEWHERE, Forms, Refusal, chat_in
from chatkeep_ui.problem import ApiError, SignInEnded

_WRONG = "That passkey does not open an account here."


class PasskeySignInPage:
    """Starts the browser's own dialog; nothing is typed."""

    def __init__(self, forms: Forms) -> None:
        self._forms = forms

    async def show(self, request: Request) -> Response:
        """Ask the API for a challenge, and the browser to answer it."""
        return await self._form(request, dict(request.query_params))

    async def submit(self, request: Request) -> Response:
        """Sign in with the answer."""
        typed = await self._forms.read(request)
        if not self._forms.origins.allow_form(request):
            return self._forms.show("trouble.html", Refusal(FROM_ELSEWHERE, status=HTTPStatus.FORBIDDEN), chat="")
        try:
            caller = self._forms.caller(request)
            credential = credential_in(typed)
            granted = await self._forms.auth.passkey_login(caller, typed.get("ticket", ""), credential)
        except SignInEnded:
            return await self._form(request, typed, Refusal(_WRONG, status=HTTPStatus.UNAUTHORIZED))
        except ApiError as error:
            return await self._form(request, typed, Refusal.of(error, ()))
        return await self._forms.let_in(request, granted, destination(typed))

    async def _form(self, request: Request, typed: dict[str, str], refusal: Refusal | None = None) -> Response:
        try:
            asked = await self._forms.auth.passkey_options(self._forms.caller(request))
        except ApiError as error:
            asked, refusal = None, refusal or Refusal.of(error, ())
        chat, then = chat_in(typed.get("chat")), own_page_in(typed.get("then"))
        here = self._forms.origins.on_this_machine(request)
        wrong = wrong_name(request, asked["options"]["rpId"], on_this_machine=here) if asked else None
        return self._forms.show("passkey_sign_in.html", refusal, asked=asked, wrong_name=wrong, chat=chat, then=then)
