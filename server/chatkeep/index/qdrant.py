"""The index on a Qdrant server, for installations of several instances, or of more passages than one machine holds.

REST, by Qdrant's own client: one address and one port to configure, and proxies understand it.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from qdrant_client import AsyncQdrantClient, models

from chatkeep.index.fusion import Found, candidates, fuse
from chatkeep.index.naming import description, index_name, read_description
from chatkeep.index.port import Hit, IndexSpec, IndexUnavailable, Point, Query, StoredPoint, TenantId, Way
from chatkeep.index.qdrant_errors import told_to_operators
from chatkeep.index.scope import Scope, point_id, scope
from chatkeep.index.texts import asked, encodable
from chatkeep.index.vectors import checked, packed, unpacked
from chatkeep.index.words import WordWeights

_PREFIX = "chatkeep-"
_DENSE = "dense"
_WORDS = "words"
_KEYS = ["tenant", "document_id", "n"]
_TIMEOUT_SECONDS = 30
_OLDEST_SERVER = (1, 19)
# Weighing words holds the interpreter's lock: between so few texts the event loop has its turn.
_TEXTS_TOGETHER = 16
_POINTS_TOGETHER = 128
_PAGE = 1_000
_PAGE_WITH_WEIGHTS = 128


def connect(url: str, api_key: str | None) -> "QdrantIndexes":
    """The indexes of the server at `url`; the port is 6333 where it names none. Asks nobody yet."""
    # As a header: given as `api_key`, the client would print a warning where the server is on this machine.
    headers = {} if api_key is None else {"api-key": api_key}
    # trust_env: what a proxy of the environment's is meant for, is not this.
    client = AsyncQdrantClient(
        url=url, headers=headers, timeout=_TIMEOUT_SECONDS, check_compatibility=False, trust_env=False
    )
    return QdrantIndexes(client)


class QdrantIndexes:
    """One collection for each spec, beside others that are not ours."""

    def __init__(self, client: AsyncQdrantClient) -> None:
        self._client = client

    def open(self, spec: IndexSpec) -> "QdrantIndex":
        return QdrantIndex(self._client, spec)

    async def list_specs(self) -> list[IndexSpec]:
        with told_to_operators():
            names = [collection.name for collection in (await self._client.get_collections()).collections]
            described = [
                (await self._client.get_collection(name)).config.metadata
                for name in sorted(names)
                if name.startswith(_PREFIX)
            ]
        return [spec for spec in map(read_description, described) if spec is not None]

    async def drop(self, spec: IndexSpec) -> None:
        with told_to_operators():
            if await self._client.collection_exists(_name(spec)):
                await self._client.delete_collection(_name(spec))

    async def check(self) -> None:
        """Whether it answers, takes the key, and is new enough."""
        with told_to_operators():
            await _refuse_old(self._client)
            await self._client.get_collections()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()


class QdrantIndex:
    """One collection, created with its first use."""

    def __init__(self, client: AsyncQdrantClient, spec: IndexSpec) -> None:
        self._client = client
        self._spec = spec
        self._name = _name(spec)
        self._words = WordWeights(spec.language)
        self._ready = False
        self._creating = asyncio.Lock()

    async def put(self, tenant: TenantId, points: Sequence[Point]) -> None:
        scope(tenant)
        dense = [self._packed(point.dense) for point in points]
        for start in range(0, len(points), _TEXTS_TOGETHER):
            together = zip(points[start : start + _TEXTS_TOGETHER], dense[start:], strict=False)
            await self._upsert([self._weigh(tenant, point, vector) for point, vector in together])

    async def search(self, tenants: Sequence[TenantId], query: Query, limit: int) -> list[Hit]:
        depth = candidates(limit)
        dense = self._packed(query.dense)
        if not tenants:
            return []
        requests = self._requests(scope(*tenants), asked(query.text), dense, depth)
        if not requests:
            return []
        await self._open()
        with told_to_operators():
            answers = await self._client.query_batch_points(self._name, list(requests.values()))
            found = {
                way: [_found(point.payload) for point in answer.points]
                for way, answer in zip(requests, answers, strict=True)
            }
        return fuse(found, limit)

    async def delete_document(self, tenant: TenantId, document_id: str) -> None:
        await self._delete(scope(tenant, document_id=document_id))

    async def delete_tenant(self, tenant: TenantId) -> None:
        await self._delete(scope(tenant))

    async def count(self, tenant: TenantId, document_id: str | None = None) -> int:
        only = _filter(scope(tenant, document_id=document_id))
        await self._open()
        with told_to_operators():
            return (await self._client.count(self._name, count_filter=only, exact=True)).count

    async def list_documents(self) -> AsyncIterator[tuple[TenantId, str, int]]:
        passages: Counter[tuple[TenantId, str]] = Counter()
        async for points in self._scroll(_PAGE, weights=False):
            passages.update((point.tenant, point.document_id) for point in points)
        for (tenant, document_id), count in passages.items():
            yield tenant, document_id, count

    def export(self) -> AsyncIterator[Sequence[StoredPoint]]:
        return self._scroll(_PAGE_WITH_WEIGHTS, weights=True)

    async def restore(self, points: Sequence[StoredPoint]) -> None:
        for point in points:
            checked(point, self._spec.dimension)
        for start in range(0, len(points), _POINTS_TOGETHER):
            await self._upsert(points[start : start + _POINTS_TOGETHER])

    async def check(self) -> None:
        await self._open()
        with told_to_operators():
            await self._client.get_collection(self._name)

    def _packed(self, dense: Sequence[float] | None) -> bytes | None:
        return None if dense is None else packed(dense, self._spec.dimension)

    def _weigh(self, tenant: TenantId, point: Point, dense: bytes | None) -> StoredPoint:
        return StoredPoint(tenant, point.document_id, point.n, dense, *self._words.of_passage(encodable(point.text)))

    def _requests(self, scope: Scope, text: str, dense: bytes | None, limit: int) -> dict[Way, models.QueryRequest]:
        only = _filter(scope)
        requests: dict[Way, models.QueryRequest] = {}
        if dense is not None:
            requests["dense"] = models.QueryRequest(
                query=unpacked(dense), using=_DENSE, filter=only, limit=limit, with_payload=_KEYS
            )
        words, weights = self._words.of_query(text)
        if words:
            requests["bm25"] = models.QueryRequest(
                query=models.SparseVector(indices=words, values=weights),
                using=_WORDS,
                filter=only,
                # How rare a word is, is counted among these tenants' own passages. Counted among everybody's, the
                # order of one's hits would tell which words others write.
                params=models.SearchParams(idf=models.IdfCorpusParams(corpus=only)),
                limit=limit,
                with_payload=_KEYS,
            )
        return requests

    async def _upsert(self, points: Sequence[StoredPoint]) -> None:
        await self._open()
        with told_to_operators():
            await self._client.upsert(self._name, [_to_engine(point) for point in points], wait=True)

    async def _delete(self, scope: Scope) -> None:
        only = _filter(scope)
        await self._open()
        with told_to_operators():
            await self._client.delete(self._name, models.FilterSelector(filter=only), wait=True)

    async def _scroll(self, limit: int, *, weights: bool) -> AsyncIterator[Sequence[StoredPoint]]:
        await self._open()
        after: Any = None
        while True:
            with told_to_operators():
                records, after = await self._client.scroll(
                    self._name, limit=limit, offset=after, with_payload=_KEYS, with_vectors=weights
                )
                points = [_from_engine(record, self._spec.dimension) for record in records]
            if points:
                yield points
            if after is None:
                return

    async def _open(self) -> None:
        async with self._creating:
            if not self._ready:
                with told_to_operators():
                    await _ensure(self._client, self._name, self._spec)
                self._ready = True


async def _refuse_old(client: AsyncQdrantClient) -> None:
    """An older one would not refuse to count words among the asking tenants alone, but count them among everybody's."""
    version = (await client.info()).version
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < _OLDEST_SERVER:
        raise IndexUnavailable(f"The Qdrant server is too old ({version}): 1.19 or newer is needed.")


async def _ensure(client: AsyncQdrantClient, name: str, spec: IndexSpec) -> None:
    """Create what is missing; another instance may be at the same."""
    await _refuse_old(client)
    if not await client.collection_exists(name):
        try:
            await client.create_collection(
                name,
                vectors_config={_DENSE: models.VectorParams(size=spec.dimension, distance=models.Distance.COSINE)},
                sparse_vectors_config={_WORDS: models.SparseVectorParams(modifier=models.Modifier.IDF)},
                # No graph over all tenants: nobody asks for all, and it would be six times the work.
                hnsw_config=models.HnswConfigDiff(m=0, payload_m=16),
                metadata=description(spec),
            )
        except Exception:
            if not await client.collection_exists(name):
                raise
    fields = (await client.get_collection(name)).payload_schema
    for field, is_tenant in (("tenant", True), ("document_id", False)):
        if field not in fields:
            # A graph for each tenant that is large enough for one, and none for a document.
            keyword = models.KeywordIndexType.KEYWORD
            schema = models.KeywordIndexParams(type=keyword, is_tenant=is_tenant, enable_hnsw=is_tenant)
            await client.create_payload_index(name, field, schema, wait=True)


def _name(spec: IndexSpec) -> str:
    return _PREFIX + index_name(spec)


def _filter(scope: Scope) -> models.Filter:
    """The only filter there is. A scope without tenants cannot exist."""
    must: list[models.Condition] = [
        models.FieldCondition(key="tenant", match=models.MatchAny(any=list[str](scope.tenants)))
    ]
    if scope.document_id is not None:
        must.append(models.FieldCondition(key="document_id", match=models.MatchValue(value=scope.document_id)))
    return models.Filter(must=must)


def _to_engine(point: StoredPoint) -> models.PointStruct:
    vector: dict[str, Any] = {
        _WORDS: models.SparseVector(indices=list(point.words), values=list(point.weights)),
    }
    if point.dense is not None:
        vector[_DENSE] = unpacked(point.dense)
    payload = {"tenant": point.tenant, "document_id": point.document_id, "n": point.n}
    return models.PointStruct(id=point_id(point.tenant, point.document_id, point.n), vector=vector, payload=payload)


def _from_engine(record: models.Record, dimension: int) -> StoredPoint:
    vector = record.vector if isinstance(record.vector, dict) else {}
    dense: Any = vector.get(_DENSE)
    words = vector.get(_WORDS)
    weights = (words.indices, words.values) if isinstance(words, models.SparseVector) else ([], [])
    return StoredPoint(*_found(record.payload), None if dense is None else packed(dense, dimension), *weights)


def _found(payload: Mapping[str, Any] | None) -> Found:
    if payload is None:
        raise ValueError("the index gave a point without what names it")
    return Found(*(payload[key] for key in _KEYS))
