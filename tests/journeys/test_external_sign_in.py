"""Signing in with the real oidc-provider, at a real server: from a click on the button to the chats."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from testbed.chatkeep_server import GENEROUS, ServerProcess, running_server
from testbed.node import Node
from testbed.oidc_provider import CLIENT_ID, CLIENT_SECRET, running_oidc_provider
from testbed.people import Person


def free_port() -> int:
    """The provider has to know the callback's address before there is anything at it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def connected(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with the page, which knows the provider, and has an administrator."""
    folder: Path = tmp_path_factory.mktemp("external")
    port = free_port()
    secret = folder / "secret"
    secret.write_text(CLIENT_SECRET + "\n")
    callback = f"http://127.0.0.1:{port}/auth/oidc/real-one/callback"
    with running_oidc_provider(node, callback) as issuer:
        environ = {
            **GENEROUS,
            "CHATKEEP_OIDC_REAL_ONE_ISSUER": issuer,
            "CHATKEEP_OIDC_REAL_ONE_CLIENT_ID": CLIENT_ID,
            "CHATKEEP_OIDC_REAL_ONE_CLIENT_SECRET_FILE": str(secret),
            "CHATKEEP_OIDC_REAL_ONE_NAME": "The real one",
        }
        with running_server(folder / "data", environ, "--port", str(port)) as server:
            Person(server.url, "admin").register()
            yield server


@pytest.fixture
def browser(connected: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=connected.url, follow_redirects=True, trust_env=False, timeout=30) as client:
        client.cookies.set("who", "alice")
        yield client


def test_from_the_button_to_the_chats(browser: httpx.Client) -> None:
    assert browser.get("/auth/oidc").json()["items"] == [{"id": "real-one", "name": "The real one"}]
    arrived = browser.get("/auth/oidc/real-one/login", params={"return_to": "/"})
    assert (arrived.status_code, arrived.url.path) == (200, "/")
    # The page has let the browser in with nothing but the refresh cookie, and trades it for a token of its own.
    assert "authkeep_refresh" in browser.cookies
    assert any("authkeep_refresh=" in line for line in arrived.headers.get_list("set-cookie"))


def test_the_same_person_comes_back_to_the_same_account(browser: httpx.Client) -> None:
    ids = set()
    for _ in range(2):
        browser.get("/auth/oidc/real-one/login", params={"return_to": "/livez"})
        refreshed = browser.post("/auth/refresh?transport=cookie", headers={"Sec-Fetch-Site": "same-origin"})
        user = refreshed.json()["user"]
        assert (user["email"], user["role"]) == ("alice@example.org", "user")
        ids.add(user["id"])
    assert len(ids) == 1


def test_an_account_is_linked_by_its_owner(connected: ServerProcess, browser: httpx.Client) -> None:
    bob = Person(connected.url, "bob").register()
    browser.cookies.set("who", "robert")
    begun = browser.post(
        "/auth/oidc/real-one/link",
        json={"return_to": "/livez"},
        headers={"Authorization": bob.http.headers["authorization"]},
    )
    assert browser.get(begun.json()["authorization_url"]).url.path == "/livez"
    (identity,) = bob.http.get("/auth/identities").json()["items"]
    assert identity["email"] == "robert@example.org"
    browser.get("/auth/oidc/real-one/login", params={"return_to": "/livez"})
    refreshed = browser.post("/auth/refresh?transport=cookie", headers={"Sec-Fetch-Site": "same-origin"})
    assert refreshed.json()["user"]["id"] == bob.user["id"]
    assert bob.http.delete(f"/auth/identities/{identity['id']}").status_code == 204


def test_signing_in_again_over_there_is_recent_here(browser: httpx.Client) -> None:
    again = {"return_to": "/livez", "reauthenticate": "true"}
    assert browser.get("/auth/oidc/real-one/login", params=again).url.path == "/livez"
    refreshed = browser.post("/auth/refresh?transport=cookie", headers={"Sec-Fetch-Site": "same-origin"})
    headers = {"Authorization": f"Bearer {refreshed.json()['access_token']}"}
    assert browser.post("/auth/oidc/real-one/link", headers=headers).status_code == 200
