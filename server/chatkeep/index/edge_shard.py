"""One index on the disk, in Qdrant's embedded engine. Everything in here holds the interpreter's lock while it runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import qdrant_edge as qdrant

from chatkeep.index.edge_wire import PutPoint
from chatkeep.index.fusion import Found
from chatkeep.index.port import IndexSpec, StoredPoint, TenantId, Way
from chatkeep.index.scope import Scope, point_id
from chatkeep.index.vectors import packed, unpacked
from chatkeep.index.words import Weights, WordWeights

_DENSE = "dense"
_WORDS = "words"
_KEYS = ["tenant", "document_id", "n"]

# `optimize` rebuilds a segment while nobody is answered: a larger one takes longer, many small ones slow queries down.
_SEGMENT_KB = 40_000
_NO_GRAPH_KB = 1_000_000_000
_EXACT = qdrant.SearchParams(exact=True)


class EdgeShard:
    """An open index. Errors of the engine are bare `Exception`s, and are passed on as such."""

    def __init__(self, directory: Path, spec: IndexSpec) -> None:
        self._spec = spec
        self._words = WordWeights(spec.language)
        self._shard = qdrant.EdgeShard.load(str(directory))

    @staticmethod
    def create(directory: Path, spec: IndexSpec) -> None:
        """Make an empty index in a directory that exists, and is empty."""
        shard = qdrant.EdgeShard.create(str(directory), _config(spec))
        for field, is_tenant in (("tenant", True), ("document_id", False)):
            index = qdrant.KeywordIndexParams(is_tenant=is_tenant, enable_hnsw=False)
            shard.update(qdrant.UpdateOperation.create_field_index(field, index))
        shard.flush()
        shard.close()

    def weigh(self, tenant: TenantId, point: PutPoint) -> StoredPoint:
        """Make of a passage what `restore` stores."""
        return StoredPoint(tenant, point.document_id, point.n, point.dense, *self._words.of_passage(point.text))

    def restore(self, points: Sequence[StoredPoint]) -> None:
        self._shard.update(qdrant.UpdateOperation.upsert_points([_to_engine(point) for point in points]))

    def delete(self, scope: Scope) -> None:
        self._shard.update(qdrant.UpdateOperation.delete_points_by_filter(_filter(scope)))

    def search(self, scope: Scope, text: str, dense: bytes | None, limit: int) -> dict[Way, list[Found]]:
        words, weights = self._words.of_query(text)
        only = _filter(scope)
        requests: dict[Way, qdrant.QueryRequest] = {}
        if dense is not None:
            requests["dense"] = _nearest(unpacked(dense), _DENSE, only, limit, _EXACT)
        if words:
            # How rare a word is, is counted among these tenants' own passages. Counted among everybody's, the order of
            # one's hits would tell which words others write.
            params = qdrant.SearchParams(idf=qdrant.IdfParams(only))
            requests["bm25"] = _nearest(qdrant.SparseVector(words, weights), _WORDS, only, limit, params)
        answers = self._shard.query_batch(qdrant.QueryBatchRequest(list(requests.values()))) if requests else []
        return {way: [_found(point.payload) for point in points] for way, points in zip(requests, answers, strict=True)}

    def count(self, scope: Scope) -> int:
        return self._shard.count(qdrant.CountRequest(exact=True, filter=_filter(scope)))

    def scroll(self, after: str | None, limit: int, *, weights: bool) -> tuple[list[StoredPoint], str | None]:
        records, following = self._shard.scroll(
            qdrant.ScrollRequest(offset=after, limit=limit, with_payload=True, with_vector=weights)
        )
        points = [_from_engine(record, self._spec.dimension) for record in records]
        return points, None if following is None else str(following)

    def flush(self) -> None:
        self._shard.flush()

    def optimize(self) -> None:
        self._shard.optimize()

    def close(self) -> None:
        self._shard.close()


def _nearest(
    vector: Any, using: str, only: qdrant.Filter, limit: int, params: qdrant.SearchParams
) -> qdrant.QueryRequest:
    return qdrant.QueryRequest(
        limit=limit,
        query=qdrant.Query.Nearest(vector, using=using),
        filter=only,
        with_payload=qdrant.PayloadSelector.Include(_KEYS),
        params=params,
    )


def _config(spec: IndexSpec) -> qdrant.EdgeConfig:
    return qdrant.EdgeConfig(
        vectors={_DENSE: qdrant.EdgeVectorParams(size=spec.dimension, distance=qdrant.Distance.Cosine)},
        sparse_vectors={_WORDS: qdrant.EdgeSparseVectorParams(modifier=qdrant.Modifier.Idf)},
        # No graph: to build one of 20,000 vectors stops all answers for half a minute, and to compare that many one by
        # one takes a few milliseconds, and misses none.
        hnsw_config=qdrant.HnswIndexConfig(m=0, payload_m=0, ef_construct=100, full_scan_threshold=_NO_GRAPH_KB),
        optimizers=qdrant.EdgeOptimizersConfig(max_segment_size=_SEGMENT_KB),
        # A second thread costs more in waking it than it takes over.
        max_search_threads=1,
        wal_enabled=True,
    )


def _filter(scope: Scope) -> qdrant.Filter:
    """The only filter there is. A scope without tenants cannot exist."""
    must: list[Any] = [qdrant.FieldCondition("tenant", match=qdrant.MatchAny(list[str](scope.tenants)))]
    if scope.document_id is not None:
        must.append(qdrant.FieldCondition("document_id", match=qdrant.MatchValue(scope.document_id)))
    return qdrant.Filter(must=must)


def _to_engine(point: StoredPoint) -> qdrant.Point:
    vector: dict[str, Any] = {_WORDS: qdrant.SparseVector(list(point.words), list(point.weights))}
    if point.dense is not None:
        vector[_DENSE] = unpacked(point.dense)
    payload = {"tenant": point.tenant, "document_id": point.document_id, "n": point.n}
    return qdrant.Point(point_id(point.tenant, point.document_id, point.n), vector, payload)


def _from_engine(record: qdrant.Record, dimension: int) -> StoredPoint:
    vector = cast("Mapping[str, Any]", record.vector or {})
    dense, words = vector.get(_DENSE), vector.get(_WORDS)
    weights: Weights = ([], []) if words is None else (words.indices, words.values)
    return StoredPoint(*_found(record.payload), None if dense is None else packed(dense, dimension), *weights)


def _found(payload: Mapping[str, Any] | None) -> Found:
    if payload is None:
        raise ValueError("the index gave a point without what names it")
    return Found(*(payload[key] for key in _KEYS))
