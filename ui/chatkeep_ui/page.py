"""The page as the server mounts it: everything is put together here, and only here.

page = create_page("http://127.0.0.1:8000", forwarding_key, public_url=None)
async with page.lifespan():
    ...   # page.app is an ASGI app, mounted at "/" behind every route of the API
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path

import httpx
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.runtime import Runtime
from streamlit.starlette import App

# `chats` is what the script runs: loaded here, before there are threads that could load it at the same moment.
from chatkeep_ui import chats, open_page
from chatkeep_ui.account import ACCOUNT_PAGES
from chatkeep_ui.account.area import AccountArea
from chatkeep_ui.account.confirmation import Confirmation
from chatkeep_ui.account.own_data import ChatExport
from chatkeep_ui.api_connection import API_LIMITS, API_TIMEOUT, ApiConnection
from chatkeep_ui.api_requests import FORWARDING_KEY_HEADER, ApiRequests
from chatkeep_ui.auth_client import AuthClient
from chatkeep_ui.email_verification import EmailVerificationPage, ResendPage
from chatkeep_ui.forms import Forms
from chatkeep_ui.front_door import FormPage, FrontDoor, front_door
from chatkeep_ui.library import LIBRARY_PAGES
from chatkeep_ui.library.documents import OriginalFile
from chatkeep_ui.login_end import LoginEnd
from chatkeep_ui.manage import MANAGE_PAGES
from chatkeep_ui.open_page import OpenPage
from chatkeep_ui.open_streams import OpenStreams
from chatkeep_ui.passkey_sign_in import PasskeySignInPage
from chatkeep_ui.password_reset import ForgotPasswordPage, ResetPasswordPage
from chatkeep_ui.registration import RegistrationPage
from chatkeep_ui.renewal import Renewal
from chatkeep_ui.same_origin import Origins
from chatkeep_ui.second_factor import SecondFactorPage
from chatkeep_ui.sign_in import SignInPage
from chatkeep_ui.sign_out import SignOutPage
from chatkeep_ui.streamlit_config import configure
from chatkeep_ui.vault import Vault

_SCRIPT = Path(chats.__file__).parent / "chats_script.py"


class Page:
    """The mounted page. Streamlit allows one running page per process; pages may follow one another."""

    def __init__(self, api_url: str, forwarding_key: str, public_url: str | None) -> None:
        self._api_url = api_url
        self._api_headers = {FORWARDING_KEY_HEADER: forwarding_key}
        self._origins = Origins(public_url)
        self._running: ASGIApp | None = None

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI app; answers while `lifespan` is open."""
        if self._running is None:
            raise RuntimeError("the page's lifespan is not open")
        await self._running(scope, receive, send)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Start Streamlit and the client towards the API; stop both at the end.

        Raises:
            RuntimeError: another page is open in this process.
            IndexChanged: see `index_page.py`.
        """
        configure()
        vault = Vault()
        streamlit = App(_SCRIPT)
        # No environment proxies: the API is our own server.
        async with httpx.AsyncClient(
            base_url=self._api_url,
            headers=self._api_headers,
            timeout=API_TIMEOUT,
            limits=API_LIMITS,
            trust_env=False,
            cookies=_keeping_none(),
        ) as http:
            with ApiConnection(self._api_url, self._api_headers) as api, open_page.opened(OpenPage(vault, api)):
                async with streamlit_running(streamlit):
                    self._running = self._composed(streamlit, ApiRequests(http), vault)
                    try:
                        yield
                    finally:
                        self._running = None

    def _composed(self, streamlit: ASGIApp, requests: ApiRequests, vault: Vault) -> ASGIApp:
        auth = AuthClient(requests)
        renewal = Renewal(auth, vault)
        streams = OpenStreams()
        forms = Forms(auth, renewal, vault, LoginEnd(auth, renewal, vault, streams), self._origins)
        second_factor, resend = SecondFactorPage(forms), ResendPage(forms)
        form_pages: dict[str, FormPage] = {
            "/sign-in": SignInPage(forms, second_factor, resend),
            "/sign-in/second-factor": second_factor,
            "/sign-in/passkey": PasskeySignInPage(forms),
            "/register": RegistrationPage(forms),
            "/forgot-password": ForgotPasswordPage(forms),
            "/reset-password": ResetPasswordPage(forms),
            "/verify-email": EmailVerificationPage(forms),
            "/verify-email/resend": resend,
            "/sign-out": SignOutPage(forms),
        }
        area = AccountArea(forms, renewal, vault, requests)
        account_pages = area.routes([*ACCOUNT_PAGES, Confirmation(vault).page, *MANAGE_PAGES, *LIBRARY_PAGES])
        account_pages.append(Route("/chats/{chat_id}/export", ChatExport(area).fetch, methods=["GET"]))
        account_pages.append(Route("/library/originals/{document_id}", OriginalFile(area).fetch, methods=["GET"]))
        door = FrontDoor(streamlit, forms, renewal, vault, streams)
        return front_door(door, streamlit, form_pages, account_pages)


def _keeping_none() -> CookieJar:
    """For a client that speaks for everybody: the cookies of one browser must not go along with the next one's."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


def create_page(api_url: str, forwarding_key: str, public_url: str | None) -> Page:
    """Make a page that speaks to the API at `api_url`.

    `forwarding_key` proves to the API that the page may name the browser's address. `public_url` is the address people
    use, where a proxy stands in front.
    """
    return Page(api_url, forwarding_key, public_url)


@asynccontextmanager
async def streamlit_running(streamlit: App) -> AsyncIterator[None]:
    """Run Streamlit's runtime, and let the next one start when this one is done."""
    async with streamlit.lifespan()(streamlit):
        runtime = Runtime.instance()
        yield
    await runtime.stopped
    # Streamlit keeps its runtime for the life of the process and refuses a second. Ours has stopped; tests, and
    # servers that restart in place, may begin another.
    Runtime._instance = None  # noqa: SLF001  # the only way there is
