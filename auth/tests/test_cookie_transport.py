"""The browser transport: what the cookie is, and who can make a browser use it."""

from dataclasses import replace
from http.cookies import Morsel, SimpleCookie
from typing import Any

import httpx
import pytest

from authkeep import Auth
from authkeep.testing import FrozenClock, MemoryStore

ALICE = {"email": "alice@example.com", "password": "seven purple kettles sing"}
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


def cookie_of(answer: httpx.Response) -> Morsel[str]:
    set_cookies = [SimpleCookie(line) for line in answer.headers.get_list("set-cookie")]
    (morsel,) = (morsel for jar in set_cookies for name, morsel in jar.items() if name.endswith("refresh"))
    return morsel


async def sign_in(client: httpx.AsyncClient, **headers: str) -> httpx.Response:
    await client.post("/auth/register", json=ALICE)
    return await client.post("/auth/login?transport=cookie", json=ALICE, headers=SAME_SITE | headers)


async def test_the_refresh_token_is_in_the_cookie_and_not_in_the_body(client: httpx.AsyncClient) -> None:
    answer = await sign_in(client)
    assert "refresh_token" not in answer.json()
    cookie = cookie_of(answer)
    assert cookie.key == "authkeep_refresh"
    assert cookie.value.startswith("akr_")
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["secure"]) == (True, "lax", "/", "")
    assert not cookie["domain"]


async def test_over_https_the_cookie_is_bound_to_the_host(auth: Auth, browse: Any) -> None:
    async with browse(auth, base_url="https://chat.example") as client:
        cookie = cookie_of(await sign_in(client))
    assert (cookie.key, cookie["secure"]) == ("__Host-authkeep_refresh", True)


async def test_behind_a_tls_proxy_the_cookie_is_secure_too(auth: Auth, browse: Any) -> None:
    async with browse(auth, peer="10.1.2.3") as client:
        cookie = cookie_of(await sign_in(client, **{"X-Forwarded-Proto": "https"}))
    assert cookie.key == "__Host-authkeep_refresh"
    async with browse(auth, peer="198.51.100.7") as client:
        cookie = cookie_of(await sign_in(client, **{"X-Forwarded-Proto": "https"}))
    assert cookie.key == "authkeep_refresh"


async def test_secure_cookies_can_be_insisted_on(
    memory_store: MemoryStore, clock: FrozenClock, settings: Any, keys: Any, make: Any, browse: Any
) -> None:
    auth = make(memory_store, clock, replace(settings, secure_cookies=True), keys)
    async with auth.running(), browse(auth) as client:
        assert cookie_of(await sign_in(client)).key == "__Host-authkeep_refresh"


async def test_a_refresh_rotates_the_cookie(client: httpx.AsyncClient) -> None:
    first = cookie_of(await sign_in(client))
    for query in ("?transport=cookie", ""):
        answer = await client.post(f"/auth/refresh{query}", headers=SAME_SITE)
        assert answer.status_code == 200
        assert "refresh_token" not in answer.json()
        assert cookie_of(answer).value != first.value
        first = cookie_of(answer)


async def test_without_the_cookie_there_is_no_refresh(client: httpx.AsyncClient) -> None:
    answer = await client.post("/auth/refresh?transport=cookie", headers=SAME_SITE)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_refresh_token")


@pytest.mark.parametrize("path", ["/auth/logout", "/auth/logout-all"])
async def test_signing_out_removes_the_cookie(client: httpx.AsyncClient, path: str) -> None:
    tokens = (await sign_in(client)).json()
    answer = await client.post(path, headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert cookie_of(answer)["max-age"] == "0"
    assert set(client.cookies) == {"authkeep_device"}


async def test_the_json_transport_neither_reads_nor_sets_a_cookie(client: httpx.AsyncClient) -> None:
    await sign_in(client)
    answer = await client.post("/auth/refresh?transport=json", headers=SAME_SITE)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    login = await client.post("/auth/login", json=ALICE)
    assert "set-cookie" not in login.headers


FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://chat.example"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://chat.example.evil.example"},
    {"Origin": "http://chat.example:8080"},
    {"Origin": "http://user@chat.example"},
    {"Origin": "http://["},
    {"Origin": "chat.example"},
    {"Sec-Fetch-Site": ""},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize("path", ["/auth/login", "/auth/refresh"])
async def test_login_csrf_and_refresh_csrf(client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> None:
    await sign_in(client)
    answer = await client.post(f"{path}?transport=cookie", json=ALICE, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_request")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_refresh_csrf_where_nobody_names_the_transport(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    await sign_in(client)
    answer = await client.post("/auth/refresh", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_request")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [{}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": "http://chat.example"}],
    ids=str,
)
async def test_what_comes_from_the_page_itself_passes(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    await sign_in(client)
    answer = await client.post("/auth/refresh?transport=cookie", headers=headers)
    assert answer.status_code == 200


async def test_a_trusted_origin_may_use_the_cookie(
    memory_store: MemoryStore, clock: FrozenClock, settings: Any, keys: Any, make: Any, browse: Any
) -> None:
    trusting = replace(settings, trusted_origins=frozenset({"https://app.example"}))
    auth = make(memory_store, clock, trusting, keys)
    async with auth.running(), browse(auth) as client:
        await client.post("/auth/register", json=ALICE)
        headers = {"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}
        assert (await client.post("/auth/login?transport=cookie", json=ALICE, headers=headers)).status_code == 200


async def test_a_form_cannot_log_in(client: httpx.AsyncClient) -> None:
    await client.post("/auth/register", json=ALICE)
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        body = b'{"email": "alice@example.com", "password": "seven purple kettles sing"}'
        answer = await client.post("/auth/login", content=body, headers={"Content-Type": content_type})
        assert answer.status_code == 422


@pytest.mark.parametrize(
    "planted",
    [
        "\xa0authkeep_refresh={token}",
        "\x85authkeep_refresh={token}",
        'authkeep_refresh="{token}"',
        'other="x\\073 authkeep_refresh={token}"',
        "authkeep_refresh={token}; authkeep_refresh=another",
    ],
)
async def test_a_planted_cookie_is_read_by_the_letter(client: httpx.AsyncClient, planted: str) -> None:
    token = cookie_of(await sign_in(client)).value
    client.cookies.clear()
    headers = {b"Cookie": planted.format(token=token).encode("latin-1"), b"Sec-Fetch-Site": b"same-origin"}
    answer = await client.post("/auth/refresh?transport=cookie", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_refresh_token")
