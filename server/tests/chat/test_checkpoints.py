"""Checkpoints: what they write is what was said, and thousands of answers never come all at once."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import event, insert
from uuid_utils.compat import uuid7

from chatkeep.chat import checkpoints
from chatkeep.chat.answering import Answering
from chatkeep.chat.checkpoints import Checkpoints, _slices
from chatkeep.chat.event_log import EventLog
from chatkeep.chat.generations import beat
from chatkeep.chat.messages import write_texts
from chatkeep.chat.records import State
from chatkeep.chat.sessions import create_session
from chatkeep.chat.tables import generations, messages
from chatkeep.db import Database, Db
from chatkeep.identity import OwnerId
from chatkeep.row_security import EVERYBODY

NOW = datetime(2026, 11, 1, tzinfo=UTC)
# What has a meaning in JSON, in SQL, or in neither.
TEXTS = [
    '"quoted" \\ and \\u0041',
    "line\nline\r\n\t",
    "'; DROP TABLE messages; --",
    "[1, null]",
    "null",
    "",
    "Grüße 👩‍👩‍👧 \u2028",
]


async def answers(db: Db, owner: OwnerId, count: int) -> list[tuple[str, str]]:
    """Rows of answers that are being written: the ids of their generations and messages."""
    ids = [(str(uuid7()), str(uuid7())) for _ in range(count)]
    for generation_id, message_id in ids:
        session = await create_session(db, owner, None, None, NOW)
        of_session = {"owner": owner, "session_id": session.id, "created_at": NOW}
        running = {"status": State.RUNNING, "role": "assistant", "content": "", "citations": []}
        await db.execute(insert(messages), {"id": message_id, **of_session, **running})
        begun = {"state": State.RUNNING, "request_digest": "", "heartbeat_at": NOW}
        refers = {"user_message_id": message_id, "message_id": message_id}
        await db.execute(insert(generations), {"id": generation_id, **of_session, **begun, **refers})
    return ids


async def test_what_is_written_comes_back_as_it_was_said(database: Database, alice: OwnerId) -> None:
    async with database.writing(EVERYBODY) as db:
        ids = await answers(db, alice, len(TEXTS))
        await write_texts(db, {message_id: text for (_, message_id), text in zip(ids, TEXTS, strict=True)})
        going = await beat(db, {generation_id: 7 for generation_id, _ in ids}, NOW)
        assert going == {generation_id: False for generation_id, _ in ids}
        contents = dict(
            (await db.execute(messages.select().with_only_columns(messages.c.id, messages.c.content))).all()
        )
        assert [contents[message_id] for _, message_id in ids] == TEXTS
        assert set((await db.execute(generations.select().with_only_columns(generations.c.last_seq))).scalars()) == {7}


async def test_what_has_ended_keeps_its_last_event(database: Database, alice: OwnerId) -> None:
    async with database.writing(EVERYBODY) as db:
        [(running, _), (ended, _)] = await answers(db, alice, 2)
        await db.execute(
            generations.update().where(generations.c.id == ended).values(state=State.COMPLETED, last_seq=99)
        )
        assert await beat(db, {running: 5, ended: 5}, NOW) == {running: False}
        rows = await db.execute(generations.select().with_only_columns(generations.c.id, generations.c.last_seq))
        assert {row.id: row.last_seq for row in rows} == {running: 5, ended: 99}


async def test_each_row_is_found_by_its_key(database: Database, alice: OwnerId) -> None:
    if not database.is_sqlite:
        pytest.skip("PostgreSQL chooses by its statistics, of which a test has none")
    seen: list[tuple[str, Any]] = []

    @event.listens_for(database.engine.sync_engine, "before_cursor_execute")
    def _see(_: Any, cursor: Any, statement: str, parameters: Any, *more: Any) -> None:
        seen.append((statement, parameters))

    async with database.writing(EVERYBODY) as db:
        ids = await answers(db, alice, 300)
        await db.connection.exec_driver_sql("ANALYZE")
        seen.clear()
        await beat(db, {generation_id: 1 for generation_id, _ in ids}, NOW)
        [(statement, parameters)] = seen
        plan = await db.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        steps = [row["detail"] for row in plan.mappings()]
        assert "VIRTUAL TABLE" in steps[0]
        assert "(id=?)" in steps[1]


def _answering(text: str) -> Answering:
    log = EventLog("")
    log.text_length = len(text)
    return cast(Answering, SimpleNamespace(log=log))


@pytest.mark.parametrize(
    ("lengths", "sizes"),
    [
        ([], [0]),
        ([10] * 450, [200, 200, 50]),
        ([600_000, 600_000, 2_000_000, 10, 10], [1, 1, 1, 2]),
    ],
)
def test_slices_are_small_and_leave_nobody_out(lengths: Sequence[int], sizes: Sequence[int]) -> None:
    working = [_answering("x" * length) for length in lengths]
    slices = list(_slices(working))
    assert [len(part) for part in slices] == sizes
    assert [answering for part in slices for answering in part] == working


async def test_a_slice_that_cannot_be_saved_takes_no_other_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "ROUND_SECONDS", 0.0)
    saved: list[int] = []

    class _Failing(Checkpoints):
        async def save(self, answerings: Sequence[Answering]) -> None:
            saved.append(len(answerings))
            if len(saved) == 1:
                raise ValueError("of this slice alone")

    working = {str(number): _answering("") for number in range(250)}
    going = _Failing(cast(Database, None), working, lambda: NOW)
    await asyncio.wait_for(going.go_round(), 10)
    assert saved == [200, 50]
