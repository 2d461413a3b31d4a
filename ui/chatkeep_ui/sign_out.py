"""GET and POST /sign-out. The GET only asks, so that no link or image can sign anybody out."""

import logging
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chatkeep_ui import cookies
from chatkeep_ui.forms import FROM_ELSEWHERE, Forms, Refusal
from chatkeep_ui.problem import ApiError

log = logging.getLogger(__name__)


class SignOutPage:
    """Ends the login at the API, here and in the browser, and says so only where all three are true."""

    def __init__(self, forms: Forms) -> None:
        self._forms = forms

    async def show(self, request: Request) -> Response:
        """Ask."""
        return self._forms.show("sign_out.html")

    async def submit(self, request: Request) -> Response:
        """Sign out. The browser's cookies go even when the API cannot be told: the computer may not be one's own."""
        if not self._forms.origins.allow_form(request):
            return self._forms.show("sign_out.html", Refusal(FROM_ELSEWHERE, status=HTTPStatus.FORBIDDEN))
        response: Response = RedirectResponse("/sign-in?because=signed-out", status_code=303)
        try:
            await self._forms.end_login(request)
        except ApiError as error:
            log.warning("a login could not be ended at the API: %s", type(error).__name__)
            response = self._forms.show("signed_out_here.html", Refusal.of(error, ()))
        cookies.forget(response)
        return response
