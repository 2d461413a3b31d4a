"""Attacks on the routes. Each test is named after one."""

import asyncio
import json
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from authkeep import Auth, Limit, Role, Throttle
from authkeep.http.problems import MAX_BODY
from authkeep.testing import FrozenClock, MemoryStore, signed_in
from authkeep.throttle import MemoryCounters

ALICE = {"email": "alice@example.com", "password": "seven purple kettles sing"}


@pytest.fixture
async def alice(client: httpx.AsyncClient) -> Any:
    return (await client.post("/auth/register", json=ALICE)).json()


@pytest.fixture
async def admin(auth: Auth) -> None:
    """Somebody else was first."""
    await signed_in(auth, "admin@example.com", role=Role.ADMIN)


# -- mass assignment -------------------------------------------------------------------------------------------------

EXTRAS = {"role": "admin", "is_admin": True, "id": "0", "user_id": "0", "disabled": False, "epoch": 9, "scopes": ["*"]}


@pytest.mark.usefixtures("admin")
async def test_mass_assignment_on_register(client: httpx.AsyncClient) -> None:
    user = (await client.post("/auth/register", json=ALICE | EXTRAS)).json()
    assert user["role"] == "user"
    assert user["id"] != "0"


@pytest.mark.usefixtures("admin")
async def test_mass_assignment_on_profile(client: httpx.AsyncClient, auth: Auth) -> None:
    alice = await signed_in(auth, "alice@example.com")
    answer = await client.patch(
        "/auth/me", headers=alice.headers, json=EXTRAS | {"name": "A", "email": "admin@x.org", "password": "p" * 20}
    )
    assert (answer.json()["role"], answer.json()["id"]) == ("user", alice.user.id)
    assert answer.json()["email"] == "alice@example.com"


# -- what is one and the same mailbox --------------------------------------------------------------------------------


def fullwidth(text: str) -> str:
    """The same letters as East Asian keyboards also offer them."""
    return "".join(chr(ord(char) + 0xFEE0) for char in text)


SAME_MAILBOX = [
    "ALICE@example.com",
    "alice@EXAMPLE.COM",
    "  alice@example.com\t",
    "\u00a0alice@example.com",
    f"{fullwidth('alice')}@example.com",
    f"alice@{fullwidth('example')}.com",
    "alice@example\u3002com",
]


@pytest.mark.parametrize("variant", SAME_MAILBOX)
async def test_a_second_account_for_one_mailbox(client: httpx.AsyncClient, alice: Any, variant: str) -> None:
    again = await client.post("/auth/register", json=ALICE | {"email": variant})
    assert (again.status_code, again.json()["code"]) == (409, "email_taken")
    login = await client.post("/auth/login", json=ALICE | {"email": variant})
    assert login.json()["user"]["id"] == alice["id"]


# -- passwords -------------------------------------------------------------------------------------------------------


async def test_truncation_at_72_bytes(client: httpx.AsyncClient) -> None:
    long = "kettle-" * 12
    await client.post("/auth/register", json=ALICE | {"password": long + "right"})
    assert (await client.post("/auth/login", json=ALICE | {"password": long + "wrong"})).status_code == 401
    assert (await client.post("/auth/login", json=ALICE | {"password": long + "right"})).status_code == 200


async def test_a_nul_does_not_end_a_password(client: httpx.AsyncClient) -> None:
    await client.post("/auth/register", json=ALICE | {"password": "seven purple kettles\x00sing"})
    assert (await client.post("/auth/login", json=ALICE | {"password": "seven purple kettles"})).status_code == 401


@pytest.mark.parametrize("path", ["/auth/register", "/auth/login"])
async def test_a_password_of_one_megabyte(client: httpx.AsyncClient, path: str) -> None:
    assert_too_large(await client.post(path, json=ALICE | {"password": "x" * 1_000_000}))


MARKS = "\u0301\u0316" * 2500
BODIES: dict[str, dict[str, str]] = {
    "login": ALICE,
    "register": ALICE | {"name": "Alice"},
    "me": {"name": "Alice"},
    "password": {"current_password": "x", "new_password": "nine silver ladders hum"},
}


@pytest.mark.parametrize(("path", "member"), [(path, member) for path, body in BODIES.items() for member in body])
async def test_quadratic_time_in_combining_marks(
    client: httpx.AsyncClient, auth: Auth, normalised: list[int], path: str, member: str
) -> None:
    """Normalising sorts each run of marks by insertion: 16,000 of them stop every stream for most of a second."""
    user = await signed_in(auth)
    method, body = "PATCH" if path == "me" else "POST", BODIES[path] | {member: MARKS}
    answer = await client.request(method, f"/auth/{path}", json=body, headers=user.headers)
    assert answer.status_code in (401, 422)
    assert max(normalised, default=0) < len(MARKS)


async def test_a_flood_of_renames_is_limited_by_user(
    memory_store: MemoryStore, clock: FrozenClock, settings: Any, keys: Any, make: Any, browse: Any
) -> None:
    auth: Auth = make(memory_store, clock, replace(settings, limit_profile=Limit.parse("2/minute")), keys)
    async with auth.running(), browse(auth) as client:
        alice, bob = await signed_in(auth), await signed_in(auth, "bob@example.com")
        users = (alice, alice, alice, bob)
        answers = [await client.patch("/auth/me", json={"name": "A"}, headers=user.headers) for user in users]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 200]


def assert_too_large(answer: httpx.Response) -> None:
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")


async def test_an_endless_body_that_lies_about_its_length(client: httpx.AsyncClient) -> None:
    async def chunks() -> Any:
        for _ in range(100):
            yield b"x" * 10_000

    for length in ({}, {"Content-Length": "20"}, {"Content-Length": "x"}):
        headers = {"Content-Type": "application/json", **length}
        answer = await client.post("/auth/login", content=chunks(), headers=headers)
        assert_too_large(answer)


@pytest.mark.parametrize("length", [str(MAX_BODY + 1), "+40000", " 40000", "4_0000", "9" * 30])
@pytest.mark.parametrize("path", ["login", "me"])
async def test_a_length_beyond_the_limit_is_refused_like_everything_else(
    client: httpx.AsyncClient, path: str, length: str
) -> None:
    """Not in the plain text of the framework, which counts before any handler of ours."""
    headers = {"Content-Type": "application/json", "Content-Length": length}
    assert_too_large(await client.request("PATCH" if path == "me" else "POST", f"/auth/{path}", headers=headers))


async def test_a_refusal_does_not_repeat_the_password(client: httpx.AsyncClient) -> None:
    for body in ({"password": "hunter2hunter2"}, {"email": 7, "password": "hunter2hunter2"}, ["hunter2hunter2"]):
        assert "hunter2" not in (await client.post("/auth/login", json=body)).text


async def test_a_flood_of_logins_is_bounded(
    memory_store: MemoryStore, clock: FrozenClock, settings: Any, keys: Any, lenient: Throttle, browse: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Beyond the queue everybody gets 503 with Retry-After at once; those in it are served."""
    small = replace(settings, hashing_threads=1, hashing_queue=4)
    auth = Auth(small, memory_store, keys, clock=clock, throttle=lenient)
    gate = threading.Event()
    async with auth.running(), browse(auth) as client:
        monkeypatch.setattr(auth.passwords, "_matches", lambda *_: gate.wait())
        attempts = {asyncio.create_task(client.post("/auth/login", json=ALICE)) for _ in range(50)}
        refused: list[httpx.Response] = []
        while len(refused) < 45:
            done, attempts = await asyncio.wait(attempts, return_when=asyncio.FIRST_COMPLETED)
            refused += [task.result() for task in done]
        gate.set()
        served = await asyncio.gather(*attempts)
    assert {answer.status_code for answer in refused} == {503}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert [answer.status_code for answer in served] == [401] * 5


# -- limits and the client's address ---------------------------------------------------------------------------------


@pytest.fixture
def limited(memory_store: MemoryStore, clock: FrozenClock, settings: Any, keys: Any, make: Any) -> Auth:
    throttle = Throttle(MemoryCounters(clock), {"login": Limit.parse("2/minute")})
    auth: Auth = make(memory_store, clock, settings, keys, throttle=throttle)
    return auth


async def statuses(client: httpx.AsyncClient, *forwarded: str, **headers: str) -> list[int]:
    return [
        (await client.post("/auth/login", json=ALICE, headers={"X-Forwarded-For": address, **headers})).status_code
        for address in forwarded
    ]


async def test_failures_count_and_say_when_to_come_back(limited: Auth, browse: Any, clock: FrozenClock) -> None:
    async with limited.running(), browse(limited) as client:
        first = await client.post("/auth/login", json=ALICE)
        assert first.headers["ratelimit-policy"] == '"login";q=2;w=60'
        assert first.headers["ratelimit"] == '"login";r=1;t=30'
        await client.post("/auth/login", json=ALICE)
        refused = await client.post("/auth/login", json=ALICE)
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert refused.headers["retry-after"] == "30"
        assert refused.headers["ratelimit"] == '"login";r=0;t=30'


async def test_x_forwarded_for_from_a_stranger_does_not_count(limited: Auth, browse: Any) -> None:
    async with limited.running(), browse(limited, peer="198.51.100.7") as client:
        assert await statuses(client, "203.0.113.1", "203.0.113.2", "203.0.113.3") == [401, 401, 429]


async def test_loopback_alone_is_not_trusted(limited: Auth, browse: Any) -> None:
    async with limited.running(), browse(limited, peer="127.0.0.1") as client:
        assert await statuses(client, "203.0.113.1", "203.0.113.2", "203.0.113.3") == [401, 401, 429]


async def test_x_forwarded_for_that_the_client_wrote_in_front_of_the_proxy(limited: Auth, browse: Any) -> None:
    async with limited.running(), browse(limited, peer="10.1.2.3") as client:
        spoofed = [f"203.0.113.{n}, 198.51.100.7" for n in range(3)]
        assert await statuses(client, *spoofed) == [401, 401, 429]
        assert await statuses(client, "203.0.113.9") == [401]


async def test_a_peer_that_proves_itself_speaks_for_others(limited: Auth, browse: Any, forwarding_key: str) -> None:
    name = limited.settings.trusted_proxies.forwarding_header
    async with limited.running(), browse(limited, peer="127.0.0.1") as client:
        addresses = ["203.0.113.1", "203.0.113.2", "203.0.113.3"]
        assert await statuses(client, *addresses, **{name: forwarding_key}) == [401, 401, 401]
        assert await statuses(client, *addresses, **{name: "k" * 31 + "x"}) == [401, 401, 429]


async def test_hopping_through_an_ipv6_64(limited: Auth, browse: Any) -> None:
    async with limited.running(), browse(limited, peer="10.1.2.3") as client:
        assert await statuses(client, "2001:db8::1", "2001:db8::2:2", "[2001:db8::3]:443") == [401, 401, 429]
        assert await statuses(client, "2001:db8:0:1::1") == [401]


async def test_ipv4_mapped_is_the_same_address(limited: Auth, browse: Any) -> None:
    async with limited.running(), browse(limited, peer="10.1.2.3") as client:
        assert await statuses(client, "203.0.113.1", "::ffff:203.0.113.1", "::ffff:cb00:7101") == [401, 401, 429]


# -- anything at all -------------------------------------------------------------------------------------------------

METACHARACTERS = ["' OR '1'='1", "'; DROP TABLE authkeep_users; --", '" OR ""="', "%00", "\\x00", "${jndi:ldap://x}"]


@pytest.mark.parametrize("header", ["Authorization", "Cookie", "X-Forwarded-For", "User-Agent", "X-API-Key", "Origin"])
async def test_sql_metacharacters_in_headers(client_on: httpx.AsyncClient, header: str) -> None:
    for n, text in enumerate(METACHARACTERS):
        person = ALICE | {"email": f"alice{n}@example.com"}
        value = {"Authorization": f"Bearer {text}", "Cookie": f"authkeep_refresh={text}"}.get(header, text)
        assert (await client_on.get("/auth/me", headers={header: value})).status_code == 401
        refresh = await client_on.post("/auth/refresh?transport=cookie", headers={header: value})
        assert refresh.status_code in (401, 403)
        assert (await client_on.post("/auth/register", json=person, headers={header: value})).status_code == 201
        assert (await client_on.post("/auth/login", json=person, headers={header: value})).status_code == 200


@pytest.mark.parametrize("text", METACHARACTERS)
async def test_sql_metacharacters_in_bodies(client_on: httpx.AsyncClient, text: str) -> None:
    person = {"email": text, "password": text}
    assert (await client_on.post("/auth/login", json=person)).status_code == 401
    assert (await client_on.post("/auth/register", json=person)).status_code == 422
    registered = await client_on.post("/auth/register", json=ALICE | {"name": text})
    assert registered.json()["name"] == text


MALFORMED = [
    b"", b"{", b"null", b"[]", b"7", b'"x"', b"\xff", b"[" * 30_000,
    b'{"email": null}',
    b'{"email": "\\ud800", "password": "\\ud800"}',
    b'{"email": {"$gt": ""}, "password": {"$gt": ""}}',
    b'{"email": "a@b.c\\u0000", "password": "\\u0000"}',
]  # fmt: skip


@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: repr(body[:30]))
@pytest.mark.parametrize("path", ["register", "login", "refresh", "password", "me"])
async def test_malformed_json(client: httpx.AsyncClient, auth: Auth, path: str, body: bytes) -> None:
    user = await signed_in(auth)
    headers = {"Content-Type": "application/json", **user.headers}
    answer = await client.request("PATCH" if path == "me" else "POST", f"/auth/{path}", content=body, headers=headers)
    assert answer.status_code in (400, 401, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert json.loads(answer.text)["code"]


@pytest.mark.parametrize("sid", ["x", "%00", "..%2f..", "0" * 5000, "01a204c0-c304-7228-be21-c73b8952aa31"])
async def test_a_login_that_is_not_there(client_on: httpx.AsyncClient, auth_on: Auth, sid: str) -> None:
    user = await signed_in(auth_on)
    assert (await client_on.delete(f"/auth/logins/{sid}", headers=user.headers)).status_code == 404
    assert (await client_on.get(f"/auth/logins?cursor={sid}", headers=user.headers)).status_code in (200, 422)


async def test_two_authorization_headers(client: httpx.AsyncClient, auth: Auth) -> None:
    user = await signed_in(auth)
    twice = [("Authorization", f"Bearer {user.access_token}")] * 2
    assert (await client.get("/auth/me", headers=twice)).status_code == 401


@pytest.mark.parametrize("scheme", ["Basic", "Token", "bearer:", ""])
async def test_another_scheme(client: httpx.AsyncClient, auth: Auth, scheme: str) -> None:
    user = await signed_in(auth)
    assert (await client.get("/auth/me", headers={"Authorization": f"{scheme} {user.access_token}"})).status_code == 401


async def test_a_token_in_the_query_is_ignored(client: httpx.AsyncClient, auth: Auth) -> None:
    user = await signed_in(auth)
    assert (await client.get(f"/auth/me?access_token={user.access_token}")).status_code == 401


async def test_text_that_breaks_lists_or_databases_is_no_name(client: httpx.AsyncClient, auth: Auth) -> None:
    user = await signed_in(auth)
    for name in ("a\x00b", "a\nb", "a\u202eb", "a\u2066b", "x" * 101):
        answer = await client.patch("/auth/me", headers=user.headers, json={"name": name})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_name")


async def test_a_thief_is_not_told_that_the_reuse_was_noticed(
    client: httpx.AsyncClient, auth: Auth, clock: Any
) -> None:
    stolen = (await signed_in(auth)).refresh_token
    await client.post("/auth/refresh", json={"refresh_token": stolen})
    clock.advance(timedelta(seconds=11))
    noticed = await client.post("/auth/refresh", json={"refresh_token": stolen})
    invented = await client.post("/auth/refresh", json={"refresh_token": "x"})
    assert (noticed.status_code, noticed.text) == (invented.status_code, invented.text)


async def test_logs_hold_no_token_and_no_password(
    client: httpx.AsyncClient, alice: Any, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    tokens = (await client.post("/auth/login", json=ALICE)).json()
    await client.post("/auth/login", json=ALICE | {"password": "hunter2hunter2hunter2"})
    await client.get("/auth/me", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    await client.post("/auth/refresh", json=tokens)
    clock.advance(timedelta(seconds=11))
    await client.post("/auth/refresh", json=tokens)
    assert "was reused" in caplog.text
    for secret in (tokens["access_token"], tokens["refresh_token"], ALICE["password"], "hunter2"):
        assert secret not in caplog.text
