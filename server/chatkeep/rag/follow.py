"""The progress of one document as server-sent events: what its row says, whenever that changes, on any instance."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

from chatkeep.db import Database
from chatkeep.identity import OwnerId
from chatkeep.rag.documents import find_document
from chatkeep.rag.records import Document, Status

HEADERS = {"cache-control": "no-cache, no-transform", "x-accel-buffering": "no", "x-content-type-options": "nosniff"}
_LOOK_SECONDS = 0.5
_HEARTBEAT_SECONDS = 15.0


async def progress_events(
    database: Database, owner: OwnerId, document_id: str, until: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """`document.progress` as long as there is some, then one of `document.ready`, `document.failed` and
    `document.deleted`; that also where it is no longer the owner's to see. Without one of these, where `until` is true
    first: come back.
    """
    loop = asyncio.get_running_loop()
    seq, told, told_at = 0, b"", loop.time()
    while True:
        async with database.reading(owner) as db:
            document = await find_document(db, owner, document_id)
        kind, says = _kind(document), _says(document)
        if says != told or loop.time() - told_at > _HEARTBEAT_SECONDS:
            seq, told_at = seq + 1, loop.time()
            name = kind if says != told else "heartbeat"
            told = says
            yield _frame(seq, name, {"document_id": document_id} | ({} if name == "heartbeat" else json.loads(says)))
        if kind != "document.progress" or until():
            return
        await asyncio.sleep(_LOOK_SECONDS)


def stream_ended(document_id: str) -> bytes:
    """What stands last where the login has ended before the document was ready. It has no id."""
    data = json.dumps({"type": "stream.ended", "document_id": document_id, "reason": "login_ended"})
    return f"event: stream.ended\ndata: {data}\n\n".encode()


def _kind(document: Document | None) -> str:
    if document is None:
        return "document.deleted"
    ended = {Status.READY: "document.ready", Status.FAILED: "document.failed"}
    return ended.get(document.status, "document.progress")


def _says(document: Document | None) -> bytes:
    if document is None:
        return b"{}"
    names = ("status", "stage", "done", "total", "chunks", "pages", "error")
    return json.dumps({name: getattr(document, name) for name in names}).encode()


def _frame(seq: int, kind: str, data: dict[str, object]) -> bytes:
    encoded = json.dumps({"type": kind, "seq": seq, **data})
    return f"id: {seq}\nevent: {kind}\ndata: {encoded}\n\n".encode()
