"""Finds passages for somebody: whose documents may be searched is asked of SQL, then the index is asked, then SQL again
for the texts, under the asker's own rights at that moment. What the index names and SQL does not give is not there.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chatkeep.db import Database, Db
from chatkeep.embedding.port import Embedder, EmbeddingFailed, Vector
from chatkeep.errors import NotFound
from chatkeep.identity import OwnerId
from chatkeep.index.port import Hit, IndexUnavailable, Query, TenantId, VectorIndex
from chatkeep.rag.assembling import Found, assemble, by_name
from chatkeep.rag.documents import find_chunks
from chatkeep.rag.errors import SearchUnavailable, UnknownCollection
from chatkeep.rag.passages import Passage
from chatkeep.rag.tenants import list_tenants
from chatkeep.rag.trace import Trace

log = logging.getLogger(__name__)

MOST_PASSAGES = 8
# More than are shown: some are neighbours of others, or the same text twice.
_HITS_PER_PASSAGE = 3
# A question that shares no word with any document is rare, and to embed a passage takes a tenth of a second.
_MOST_JUDGED = 4
# A model that is still loading, or an endpoint that hangs, is not waited for: words find, too.
_EMBEDDING_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for: only in `collection_ids`, or else in all that is open to them, their own included."""

    text: str
    collection_ids: Sequence[str] | None = None
    limit: int = MOST_PASSAGES


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What was found, and how."""

    passages: Sequence[Passage]
    trace: Trace


class Retriever:
    """Made by the composition root.

    Args:
        indexes: those that hold points now, the one for `embedder` first. The others are asked for words alone.
        related: the cosine below which a passage without a word of the question has nothing to do with it; it is
            another for each model, and None where nobody has measured it.
    """

    def __init__(
        self,
        database: Database,
        embedder: Embedder,
        indexes: Callable[[], Sequence[VectorIndex]],
        *,
        related: float | None = None,
        patience: float = _EMBEDDING_PATIENCE_SECONDS,
    ) -> None:
        self._related = related
        self._database = database
        self._embedder = embedder
        self._indexes = indexes
        self._patience = patience

    async def retrieve(self, owner: OwnerId, wanted: Wanted, budget_tokens: int) -> Retrieved:
        """Passages for a prompt, of `budget_tokens` together.

        Raises:
            UnknownCollection, SearchUnavailable
        """
        found, trace = await self.search(owner, wanted, wanted.limit * _HITS_PER_PASSAGE)
        with trace.step("judging"):
            found = await self._without_unrelated(found, trace)
        return Retrieved(assemble(found, wanted.limit, budget_tokens, trace), trace)

    async def _without_unrelated(self, found: list[Found], trace: Trace) -> list[Found]:
        """Something is always nearest. Where no passage has a word of the question, it has to be near as well."""
        if self._related is None or not found or any("bm25" in hit.ranks for hit, _ in found):
            return found
        for hit, _ in found[_MOST_JUDGED:]:
            trace.leave_out(hit, "beyond_limit")
        judged = found[:_MOST_JUDGED]
        try:
            async with asyncio.timeout(self._patience):
                asked, *vectors = await self._embedder.embed_passages(
                    [trace.searched_for, *(chunk.text for _, chunk in judged)]
                )
        except (EmbeddingFailed, TimeoutError):
            return judged
        near = [each for each, vector in zip(judged, vectors, strict=True) if cosine(asked, vector) >= self._related]
        for hit, _ in (each for each in judged if each not in near):
            trace.leave_out(hit, "unrelated")
        return near

    async def search(self, owner: OwnerId, wanted: Wanted, limit: int) -> tuple[list[Found], Trace]:
        """The best `limit` chunks that `owner` may read, best first.

        Raises:
            UnknownCollection: one of the collections is not there, or not open to `owner`; nothing is searched then.
            SearchUnavailable: the index does not answer. There is nothing else to ask, and no answer to be made up.
        """
        trace = Trace(wanted.text)
        with trace.step("rights"):
            async with self._database.reading(owner) as db:
                tenants = await tenants_for(db, owner, wanted.collection_ids)
        trace.tenants = len(tenants)
        with trace.step("embedding"):
            dense = await self._embed(wanted.text, trace)
        with trace.step("index"):
            hits = await self._ask(tenants, Query(wanted.text, dense), limit)
        with trace.step("texts"):
            async with self._database.reading(owner) as db:
                chunks = await find_chunks(db, owner, [(hit.document_id, hit.n) for hit in hits])
        return by_name(chunks, hits, trace), trace

    async def _embed(self, text: str, trace: Trace) -> Vector | None:
        try:
            async with asyncio.timeout(self._patience):
                vector = await self._embedder.embed_query(text)
        except EmbeddingFailed as error:
            log.warning("documents are searched by words alone: %s", error)
            trace.meaning = "embedder_failed"
            return None
        except TimeoutError:
            log.warning("documents are searched by words alone: no vector within %g seconds", self._patience)
            trace.meaning = "embedder_slow"
            return None
        if vector is None:
            trace.meaning = "language_unknown"
        return vector

    async def _ask(self, tenants: Sequence[TenantId], query: Query, limit: int) -> list[Hit]:
        newest, *older = self._indexes()
        by_words = Query(query.text, None)
        try:
            found = [await newest.search(tenants, query, limit)]
            found += [await index.search(tenants, by_words, limit) for index in older]
        except IndexUnavailable as error:
            log.warning("documents cannot be searched: %s", error)
            raise SearchUnavailable from None
        best: dict[tuple[str, int], Hit] = {}
        for hit in (each for hits in found for each in hits):
            name = (hit.document_id, hit.n)
            if name not in best or hit.score > best[name].score:
                best[name] = hit
        return sorted(best.values(), key=lambda hit: -hit.score)[:limit]


def cosine(one: Vector | None, other: Vector | None) -> float:
    """Of two vectors of length 1; 0 where one is none."""
    return 0.0 if one is None or other is None else sum(a * b for a, b in zip(one, other, strict=True))


async def tenants_for(db: Db, owner: OwnerId, collection_ids: Sequence[str] | None) -> Sequence[TenantId]:
    """Whose passages `owner` may search.

    Raises:
        UnknownCollection: one of the collections is not there, or not open to them.
    """
    try:
        return await list_tenants(db, owner, collection_ids)
    except NotFound:
        raise UnknownCollection from None
