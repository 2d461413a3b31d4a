"""/verify-email: an e-mail address is confirmed by the token that was sent to it; see `password_reset.py`."""

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
