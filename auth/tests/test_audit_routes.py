"""The audit trail by HTTP: who may read it, and what it takes to break the list and the export."""

import json
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from authkeep import Auth, Device, InvalidToken, Role
from authkeep.store import AuditAction, AuditEvent, AuditFilter, EndReason, Outcome
from authkeep.testing import FrozenClock, SignedInUser, signed_in

HERE = Device("203.0.113.9", "Lynx")
UNKNOWN = "0198c0de-0000-7000-8000-000000000000"
# What is refused before any store is asked.
in_memory = pytest.mark.parametrize("store", ["memory"], indirect=True)


@pytest.fixture
async def admin(auth_on: Auth) -> SignedInUser:
    return await signed_in(auth_on, "admin@example.com", role=Role.ADMIN)


@pytest.fixture
def ask(client_on: httpx.AsyncClient, admin: SignedInUser) -> Any:
    async def request(path: str = "", **params: str) -> httpx.Response:
        return await client_on.get(f"/admin/audit{path}", headers=admin.headers, params=params)

    return request


async def test_events_are_read_with_the_names_of_today(ask: Any, auth_on: Auth, admin: SignedInUser) -> None:
    alice = await signed_in(auth_on)
    gone = auth_on.audit.event(AuditAction.USER_DELETED, HERE, actor=admin.principal, subject=UNKNOWN)
    await auth_on.audit.record(gone)
    page = (await ask(limit="2")).json()
    assert [(item["action"], item["actor_email"], item["subject_email"]) for item in page["items"]] == [
        ("user.deleted", "admin@example.com", None),
        ("login", "alice@example.com", "alice@example.com"),
    ]
    assert page["items"][0] == {
        "id": gone.id,
        "at": "2026-01-01T12:00:00Z",
        "action": "user.deleted",
        "outcome": "success",
        "actor_id": admin.user.id,
        "actor_email": "admin@example.com",
        "subject_id": UNKNOWN,
        "subject_email": None,
        "login_id": admin.principal.login_id,
        "address": "203.0.113.9",
        "user_agent": "Lynx",
        "details": {},
    }
    rest = (await ask(cursor=page["next_cursor"])).json()
    assert ([item["actor_id"] for item in rest["items"]], rest["next_cursor"]) == ([admin.user.id], None)
    mine = (await ask(user_id=alice.user.id)).json()["items"]
    assert [item["actor_id"] for item in mine] == [alice.user.id]


async def test_events_are_filtered(ask: Any, auth_on: Auth, clock: FrozenClock) -> None:
    clock.advance(timedelta(minutes=1))
    await auth_on.audit.record(auth_on.audit.event(AuditAction.LOGIN, HERE, outcome=Outcome.FAILURE))
    for params, found in (
        ({"action": "login"}, 2), ({"action": "login", "outcome": "failure"}, 1), ({"action": "user.deleted"}, 0),
        ({"since": "2026-01-01T12:00:30Z"}, 1), ({"until": "2026-01-01T13:00:30+01:00"}, 1),
        ({"since": "0001-01-01T00:00:00Z", "until": "9999-12-31T00:00:00Z"}, 2),
    ):  # fmt: skip
        assert len((await ask(**params)).json()["items"]) == found, params


@in_memory
@pytest.mark.parametrize(
    "params",
    [
        {"user_id": "x y"}, {"user_id": "\x00"}, {"action": "everything"}, {"outcome": "x"}, {"since": "yesterday"},
        {"since": "2026-01-01T12:00:00"}, {"since": "9999-12-31T23:59:59-12:00"},
        {"until": "0001-01-01T00:00:00+12:00"},
        {"since": "1e999"}, {"until": "9" * 5000},
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["", "/export"])
async def test_filters_that_cannot_be(ask: Any, path: str, params: Any) -> None:
    assert (await ask(path, **params)).status_code == 422


@in_memory
@pytest.mark.parametrize("params", [{"limit": "0"}, {"limit": "201"}, {"cursor": "x"}, {"cursor": UNKNOWN.upper()}])
async def test_pages_that_cannot_be(ask: Any, params: Any) -> None:
    assert (await ask(**params)).status_code == 422


async def test_the_export_is_whole_and_records_itself(
    ask: Any, auth_on: Auth, admin: SignedInUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("authkeep.audit_export._PAGE", 3)
    for _ in range(7):
        await auth_on.audit.record(auth_on.audit.event(AuditAction.LOGIN, HERE))
    answer = await ask("/export")
    assert answer.headers["content-type"] == "application/jsonl"
    assert answer.headers["content-disposition"] == 'attachment; filename="audit-2026-01-01.jsonl"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    stored = await auth_on.store.list_events(AuditFilter(), 100, None)
    assert [line["id"] for line in lines] == [event.id for event in stored]
    assert (lines[0]["action"], lines[0]["actor_id"]) == ("audit.exported", admin.user.id)
    assert all(line["at"].endswith("Z") and datetime.fromisoformat(line["at"]) for line in lines)
    filtered = await ask("/export", action="audit.exported")
    assert len(filtered.text.splitlines()) == 2


async def test_a_line_within_a_line(ask: Any, auth_on: Auth, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the trail ever hold them, no reader takes U+2028, U+0085 or a newline in a value for the end of a line."""
    event = auth_on.audit.event(AuditAction.LOGIN, HERE)
    forged = AuditEvent(
        event.id, event.at, event.action, event.outcome, None, None, None, "", 'x\n{"forged": 1}', {"a": "\u2028\x85"}
    )
    await auth_on.store.add_event(forged)
    lines = (await ask("/export", action="login", user_id=UNKNOWN)).text
    assert lines == ""
    lines = (await ask("/export", action="login")).text
    assert len(lines.splitlines()) == lines.count("\n") == 2


async def test_an_export_breaks_off_when_its_reader_is_revoked(
    auth: Auth, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("authkeep.audit_export._PAGE", 1)
    admin = await signed_in(auth, "admin@example.com", role=Role.ADMIN)
    listing, pages = auth.store.list_events, 0

    async def list_then_revoke(*args: Any) -> Any:
        nonlocal pages
        pages += 1
        if pages == 2:
            await auth.logins.end(admin.principal, admin.principal.login_id, EndReason.LOGOUT)
        return await listing(*args)

    monkeypatch.setattr(auth.store, "list_events", list_then_revoke)
    with pytest.raises((InvalidToken, RuntimeError)):
        await client.get("/admin/audit/export", headers=admin.headers)


async def test_what_is_read_of_refusals_holds_no_stack_no_path_and_no_secret(
    ask: Any, client_on: httpx.AsyncClient, auth_on: Auth
) -> None:
    tokens = await signed_in(auth_on)
    hostile = f"{tokens.access_token} Traceback (most recent call last) /etc/passwd"
    for path in ("login", "refresh", "register", "password", "me"):
        await client_on.post(f"/auth/{path}", json={"email": hostile, "password": hostile, "refresh_token": hostile})
    lines = (await ask("/export")).text
    for leak in ("Traceback", "/etc", "eyJ", "akr_"):
        assert leak not in lines
