"""The queue of documents that are to be read, in SQL: on any instance, none twice at once, and owners take turns.

A run holds a `claim` and gives a sign of life; every change it makes is made only while the claim is still its own.
Whatever was taken from it, deleted or cancelled, it learns by that.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Update, and_, delete, func, insert, or_, select, update
from uuid_utils.compat import uuid7

from chatkeep.db import Db
from chatkeep.parsing.chunks import Chunk, ParsedDocument
from chatkeep.rag.documents import document_from
from chatkeep.rag.records import Document, Status
from chatkeep.rag.tables import document_chunks, documents

STALE_AFTER = timedelta(seconds=20)
# What ends three runs without a word would end the next ones too.
MOST_ATTEMPTS = 3
_ROWS_TOGETHER = 500
_PARSING, _EMBEDDING = "parsing", "embedding"


@dataclass(frozen=True, slots=True)
class Claimed:
    """A document that is this run's. `parsed`: its chunks are in SQL, and `document.done` of them have points."""

    document: Document
    claim: str
    attempts: int
    delays: int

    @property
    def parsed(self) -> bool:
        return self.document.stage == _EMBEDDING


async def claim_next(db: Db, now: datetime, per_owner: int) -> Claimed | None:
    """Of whoever was served longest ago, what has waited longest. None: there is nothing to do."""
    while (row := await _next(db, now, per_owner)) is not None:
        claim = str(uuid7())
        exhausted = row["attempts"] >= MOST_ATTEMPTS
        values: dict[str, Any] = {
            "status": Status.RUNNING.value,
            "stage": row["stage"] or _PARSING,
            "claim": claim,
            "attempts": row["attempts"] + 1,
            "error": None,
            **dict.fromkeys(("claimed_at", "heartbeat_at", "updated_at"), now),
        }
        if exhausted:
            values = _failed("gave_up", "Reading it ended the program that reads it, again and again.", now)
        # Somebody else may have been quicker; then there is another one to look for.
        this = update(documents).where(documents.c.id == row["id"], _is_due(now)).values(values)
        if (await db.execute(this)).rowcount and not exhausted:
            document = dataclasses.replace(document_from(row), status=Status.RUNNING, stage=values["stage"])
            return Claimed(document, claim, values["attempts"], row["delays"])
    return None


async def keep_alive(db: Db, claims: Mapping[str, int], now: datetime) -> set[str]:
    """Give signs of life, with how many chunks have points by now. Returns the claims that are lost."""
    lost = set()
    for claim, done in claims.items():
        if not (await db.execute(_of(claim).values(heartbeat_at=now, done=done))).rowcount:
            lost.add(claim)
    return lost


async def store_parsed(db: Db, claimed: Claimed, parsed: ParsedDocument, index_name: str, now: datetime) -> bool:
    """Keep what was read. False: the claim is lost."""
    values = {
        "stage": _EMBEDDING,
        "media_type": parsed.media_type,
        "title": parsed.title,
        "pages": parsed.pages,
        "notices": list(parsed.notices),
        "chunks": len(parsed.chunks),
        "text_size": sum(len(chunk.text.encode()) for chunk in parsed.chunks),
        "total": len(parsed.chunks),
        "done": 0,
        "indexed_in": index_name,
        "updated_at": now,
    }
    if not (await db.execute(_of(claimed.claim).values(values))).rowcount:
        return False
    this = document_chunks.c.document_id == claimed.document.id
    await db.execute(delete(document_chunks).where(this))
    rows = [_row(claimed.document.id, chunk) for chunk in parsed.chunks]
    for start in range(0, len(rows), _ROWS_TOGETHER):
        await db.execute(insert(document_chunks), rows[start : start + _ROWS_TOGETHER])
    return True


async def list_texts(db: Db, document_id: str, after: int, limit: int) -> Sequence[tuple[int, str, tuple[str, ...]]]:
    """Numbers, texts and headings of the next chunks."""
    columns = (document_chunks.c.n, document_chunks.c.text, document_chunks.c.headings)
    this = select(*columns).where(document_chunks.c.document_id == document_id, document_chunks.c.n > after)
    rows = (await db.execute(this.order_by(document_chunks.c.n).limit(limit))).all()
    return [(row.n, row.text, tuple(row.headings)) for row in rows]


async def begin_points(db: Db, claimed: Claimed, index_name: str) -> bool:
    """From here on the points go into this index, from the first. False: the claim is lost."""
    return bool((await db.execute(_of(claimed.claim).values(indexed_in=index_name, done=0))).rowcount)


async def finish(db: Db, claimed: Claimed, now: datetime) -> bool:
    """Let it be found. False: the claim is lost."""
    values = {
        "status": Status.READY.value,
        "done": documents.c.total,
        **dict.fromkeys(("stage", "claim", "heartbeat_at", "error"), None),
        **dict.fromkeys(("attempts", "delays"), 0),
        "updated_at": now,
    }
    return bool((await db.execute(_of(claimed.claim).values(values))).rowcount)


async def fail(db: Db, claimed: Claimed, code: str, message: str, now: datetime) -> bool:
    """Give it up, and say why. False: the claim is lost."""
    if not (await db.execute(_of(claimed.claim).values(_failed(code, message, now)))).rowcount:
        return False
    await db.execute(delete(document_chunks).where(document_chunks.c.document_id == claimed.document.id))
    return True


async def put_back(
    db: Db, claimed: Claimed, now: datetime, *, due_at: datetime | None = None, error: dict[str, Any] | None = None
) -> bool:
    """Let it be begun again, at `due_at` or soon; that is no failed attempt. False: the claim is lost."""
    values = {
        "status": Status.QUEUED.value,
        "attempts": max(0, claimed.attempts - 1),
        "delays": claimed.delays + (due_at is not None),
        "due_at": due_at or now,
        "error": error,
        **dict.fromkeys(("claim", "heartbeat_at"), None),
        "updated_at": now,
    }
    return bool((await db.execute(_of(claimed.claim).values(values))).rowcount)


async def disown_all(db: Db, now: datetime) -> None:
    """Nobody else is there: what claims to be read is read by nobody."""
    silent = now - STALE_AFTER * 2
    await db.execute(update(documents).where(documents.c.claim.is_not(None)).values(heartbeat_at=silent))


async def exists(db: Db, document_id: str) -> bool:
    """Whether there is such a document, whatever has become of it."""
    return (await db.execute(select(documents.c.id).where(documents.c.id == document_id))).first() is not None


async def _next(db: Db, now: datetime, per_owner: int) -> Any:
    waiting = select(documents.c.owner).where(_is_due(now)).distinct().subquery()
    other = documents.alias("other")
    alive = and_(other.c.status == Status.RUNNING, other.c.heartbeat_at > now - STALE_AFTER)
    running = select(func.count()).where(other.c.owner == waiting.c.owner, alive).scalar_subquery()
    served = select(func.max(other.c.claimed_at)).where(other.c.owner == waiting.c.owner).scalar_subquery()
    turn = select(waiting.c.owner).where(running < per_owner).order_by(served.is_not(None), served).limit(1)
    owner = (await db.execute(turn)).scalar()
    if owner is None:
        return None
    oldest = select(documents).where(documents.c.owner == owner, _is_due(now)).order_by(documents.c.due_at).limit(1)
    return (await db.execute(oldest)).mappings().first()


def _is_due(now: datetime) -> ColumnElement[bool]:
    queued = and_(documents.c.status == Status.QUEUED, documents.c.due_at <= now)
    silent = and_(documents.c.status == Status.RUNNING, documents.c.heartbeat_at <= now - STALE_AFTER)
    return or_(queued, silent)


def _of(claim: str) -> Update:
    return update(documents).where(documents.c.claim == claim)


def _failed(code: str, message: str, now: datetime) -> dict[str, Any]:
    error = {"code": code, "message": message}
    nothing = {**dict.fromkeys(("stage", "claim", "heartbeat_at"), None), **dict.fromkeys(("chunks", "text_size"), 0)}
    return {"status": Status.FAILED.value, "error": error, **nothing, "updated_at": now}


def _row(document_id: str, chunk: Chunk) -> dict[str, Any]:
    names = ("n", "text", "page", "start", "end", "tokens")
    values = {name: getattr(chunk, name) for name in names}
    return {"document_id": document_id, "headings": list(chunk.headings), **values}
