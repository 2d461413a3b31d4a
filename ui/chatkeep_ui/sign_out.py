"""GET and POST /sign-out. The GET only asks, so that no link or image can sign anybody out."""

import logging
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chatkeep_ui import cookies
from chatkeep_ui.forms import FROM_ELSEWHERE, Forms, Refusal
from chatkeep_ui.problem import ApiError
from chatkeep_ui.renewal import Renewal
from chatkeep_ui.vault import Vault

log = logging.getLogger(__name__)


class SignOutPage:
    """Ends the login at the API, then forgets it here and in the browser."""

    def __init__(self, forms: Forms, renewal: Renewal, vault: Vault) -> None:
        self._forms = forms
        self._renewal = renewal
        self._vault = vault

    async def show(self, request: Request) -> Response:
        """Ask."""
        return self._forms.show("sign_out.html")

    async def submit(self, request: Request) -> Response:
        """Sign out. The browser's cookies go even when the API cannot be reached."""
        if not self._forms.origins.allow_form(request.headers):
            return self._forms.show("sign_out.html", Refusal(FROM_ELSEWHERE, status=HTTPStatus.FORBIDDEN))
        try:
            await self._end_login(request)
        except ApiError as error:
            log.warning("a login could not be ended at the API: %s", type(error).__name__)
        self._forms.close(cookies.page_key(request))
        response = RedirectResponse("/sign-in?because=signed-out", status_code=303)
        cookies.forget(response)
        return response

    async def _end_login(self, request: Request) -> None:
        key = cookies.page_key(request)
        sign_in = self._vault.find_for(key, cookies.refresh_token(request))
        if sign_in is None:
            renewed = await self._renewal.renew(request, secure=self._forms.origins.is_https(request))
            key = renewed.new_page_key or key
            sign_in = self._vault.find(key)
            self._vault.close(key)
        if sign_in is not None:
            await self._forms.auth.logout(self._forms.caller(request), sign_in.access_token)
