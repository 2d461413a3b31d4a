"""The page and the API stand-in on one port, as they are mounted in production, in a thread of the test's process."""

import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from chatkeep_ui.page import create_page
from ui.tests.api_stand_in import ApiStandIn

KEY = "a-forwarding-key-of-forty-three-characters!"
PASSWORD = "seven quiet otters juggle 42"


@dataclass
class Site:
    url: str
    api: ApiStandIn
    browsers: "list[Browser]" = field(default_factory=list)

    def browser(self, **cookies: str) -> "Browser":
        """A new browser: with these cookies, or one that has never been here."""
        browser = Browser(self)
        self.browsers.append(browser)
        for name, value in cookies.items():
            browser.http.cookies.set(name, value, domain="127.0.0.1", path="/")
        return browser

    def close_browsers(self) -> None:
        """At the end of a test."""
        while self.browsers:
            self.browsers.pop().http.close()

    def signed_in(self, email: str = "ada@example.org") -> "Browser":
        """A browser whose user has just registered."""
        browser = self.browser()
        answer = browser.submit("/register", email=email, password=PASSWORD, name="Ada Lovelace")
        assert answer.status_code == 303, answer.text
        return browser


class Browser:
    """An httpx client that sends forms as a browser on our own pages would."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.http = httpx.Client(base_url=site.url, trust_env=False, timeout=20)
        self.http.headers["Sec-Fetch-Site"] = "same-origin"

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.http.get(path, headers=headers)

    def submit(self, path: str, **fields: str) -> httpx.Response:
        return self.http.post(path, data=fields)

    @property
    def page_key(self) -> str:
        return self.http.cookies["chatkeep_page"]


@contextlib.contextmanager
def running_site(api: ApiStandIn, *, api_url: str | None = None, public_url: str | None = None) -> Iterator[Site]:
    """Serve until the block ends; with `api_url`, the page looks for its API there."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        page = create_page(api_url or url, KEY, public_url)

        @contextlib.asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            async with page.lifespan():
                yield

        app = Starlette(routes=[*api.app().routes, Mount("/", page.app)], lifespan=lifespan)
        server = Announcing(
            uvicorn.Config(app, log_config=None, lifespan="on", ws="websockets-sansio", proxy_headers=False)
        )
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        assert server.up.wait(timeout=30)
        site = Site(url, api)
        try:
            yield site
        finally:
            site.close_browsers()
            server.should_exit = True
            thread.join()


class Announcing(uvicorn.Server):
    """A server that says when it is up, so that nobody has to poll."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()
