"""One document on its way to being found: read -> cut into chunks -> vectors -> points -> ready.

Each step can be taken again: chunks replace those that are there, and so do points. What is in SQL is not read anew,
and what has points gets none again.
"""

import contextlib
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chatkeep.db import Database
from chatkeep.embedding.port import Embedder, EmbeddingFailed
from chatkeep.identity import OwnerId
from chatkeep.index.port import IndexUnavailable, Point, TenantId, VectorIndex
from chatkeep.parsing.chunks import Unreadable
from chatkeep.parsing.limits import Limits
from chatkeep.parsing.parse import parse
from chatkeep.rag.blobs import Blobs
from chatkeep.rag.documents import stored_bytes
from chatkeep.rag.erasure import request_erasure
from chatkeep.rag.ingestion_queue import (
    Claimed,
    begin_points,
    exists,
    fail,
    finish,
    list_texts,
    put_back,
    store_parsed,
)
from chatkeep.rag.tenants import tenant_of
from chatkeep.row_security import EVERYBODY

log = logging.getLogger(__name__)

_TEXTS_TOGETHER = 64
_FIRST_DELAY = timedelta(seconds=5)
_LONGEST_DELAY = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Equipment:
    """What every ingestion works with. `index_name` is that of `index`, and `room` what one person's documents may take
    in all, in bytes.
    """

    database: Database
    blobs: Blobs
    embedder: Embedder
    index: VectorIndex
    index_name: str
    limits: Limits
    now: Callable[[], datetime]
    room: int = sys.maxsize


class ClaimLost(Exception):
    """The document was deleted or cancelled, or another instance has taken it over."""


class Ingestion:
    """Of one document. `done` is how many chunks have points."""

    def __init__(self, equipment: Equipment, claimed: Claimed) -> None:
        self._with = equipment
        self.claimed = claimed
        self._tenant = tenant_of(claimed.document)
        self.done = claimed.document.done

    async def run(self) -> None:
        """To its end, whichever that is; what is written down then can be told from the document's row.

        Raises:
            ClaimLost
        """
        try:
            await self._read()
            await self._put_points()
            await self._finish()
        except Unreadable as refusal:
            await self._fail(refusal.code, refusal.message)
        except FileNotFoundError:
            await self._fail(
                "file_missing", "The original is not there any more. Delete the document, and upload it again."
            )
        except (EmbeddingFailed, IndexUnavailable, OSError) as error:
            await self._fail_or_wait(error)
        except ValueError as error:
            log.warning("the index refused the points of a document: %s", error)
            await self._fail("embedding_failed", "The embedding model gives vectors that cannot be used.")

    async def _read(self) -> None:
        if self.claimed.parsed:
            return
        document = self.claimed.document
        path = self._with.blobs.path(self._tenant, document.id)
        parsed = await parse(path, document.filename, self._with.limits)
        async with self._with.database.writing(EVERYBODY) as db:
            name = self._with.index_name
            self._demand(await store_parsed(db, self.claimed, parsed, name, self._with.now()))
            # A small file can hold much text. Of what is refused here nothing stays stored.
            if await stored_bytes(db, OwnerId(document.owner)) > self._with.room:
                raise _no_room(self._with.room)
        self.done = 0

    async def _put_points(self) -> None:
        document_id = self.claimed.document.id
        if self.claimed.parsed and self.claimed.document.indexed_in != self._with.index_name:
            async with self._with.database.writing(EVERYBODY) as db:
                self._demand(await begin_points(db, self.claimed, self._with.index_name))
            self.done = 0
        if self.done == 0:
            # A run before this one may have found more chunks than there are now.
            await self._with.index.delete_document(self._tenant, document_id)
        while True:
            async with self._with.database.reading(EVERYBODY) as db:
                rows = await list_texts(db, document_id, self.done, _TEXTS_TOGETHER)
            if not rows:
                return
            await put_points(self._with, self._tenant, document_id, rows)
            self.done = rows[-1][0]

    async def _finish(self) -> None:
        async with self._with.database.writing(EVERYBODY) as db:
            self._demand(await finish(db, self.claimed, self._with.now()))

    async def _fail(self, code: str, message: str) -> None:
        # While the document is still this run's: later the points could be those of another try.
        if self.done:
            with contextlib.suppress(IndexUnavailable):
                await self._with.index.delete_document(self._tenant, self.claimed.document.id)
        async with self._with.database.writing(EVERYBODY) as db:
            self._demand(await fail(db, self.claimed, code, message, self._with.now()))

    async def _fail_or_wait(self, error: Exception) -> None:
        """The error's own words are for the operator."""
        log.warning(
            "a document cannot be ingested now: %s", type(error).__name__ if isinstance(error, OSError) else error
        )
        if isinstance(error, EmbeddingFailed) and not error.retryable:
            await self._fail("embedding_failed", "The embedding model does not take it. Tell the server's operator.")
            return
        away = "index" if isinstance(error, IndexUnavailable) else "embedder"
        code = "parser_unavailable" if isinstance(error, OSError) else f"{away}_unavailable"
        told = {"code": code, "message": "Something that is needed for this does not answer. It will be tried again."}
        now = self._with.now()
        due_at = now + min(_FIRST_DELAY * 2 ** min(self.claimed.delays, 10), _LONGEST_DELAY)
        async with self._with.database.writing(EVERYBODY) as db:
            self._demand(await put_back(db, self.claimed, now, due_at=due_at, error=told))

    async def let_go(self) -> None:
        """Let it be taken up where this run has left it. If it was deleted meanwhile, what this run has put may have
        come after the deletion that took the rest.
        """
        async with self._with.database.writing(EVERYBODY) as db:
            held = await put_back(db, self.claimed, self._with.now())
            if not held and not await exists(db, self.claimed.document.id):
                await request_erasure(db, self._tenant, self.claimed.document.id, 0, self._with.now())

    def _demand(self, held: bool) -> None:
        if not held:
            raise ClaimLost


def _no_room(room: int) -> Unreadable:
    message = f"Its text takes more room than there is: {room >> 20} MiB in all. Delete others, and try again."
    return Unreadable("storage_full", message)


async def put_points(
    equipment: Equipment, tenant: TenantId, document_id: str, rows: Sequence[tuple[int, str, tuple[str, ...]]]
) -> None:
    """Vectors of some chunks, and their points.

    Raises:
        EmbeddingFailed, IndexUnavailable
        ValueError: the vectors cannot be used.
    """
    texts = [searchable(text, headings) for _, text, headings in rows]
    vectors = await equipment.embedder.embed_passages(texts)
    numbered = zip(rows, texts, vectors, strict=True)
    await equipment.index.put(tenant, [Point(document_id, row[0], text, vector) for row, text, vector in numbered])


def searchable(text: str, headings: tuple[str, ...]) -> str:
    """A passage as it is searched for: under what it stands is often said nowhere else."""
    return f"{' > '.join(headings)}\n{text}" if headings else text
