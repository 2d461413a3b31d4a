"""The port to the index that finds passages: by their words (BM25), by their meaning (vectors), and by both, fused.

Nothing that people ask for can be asked without saying whose passages are meant. The exceptions are an operator's:
`list_documents` for counting orphans, and `export` for moving everything elsewhere.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NewType, Protocol

TenantId = NewType("TenantId", str)
"""Whose passages: a user's own, or those of a collection. Minted in `rag.tenants` alone, from what SQL says at that
moment.
"""

Way = Literal["dense", "bm25"]


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """All that decides what an index's points mean: when one of these changes, everything has to be put in anew.

    Attributes:
        model, dimension: of the embedder.
        language: whose stop words and stems the word search uses, in English ("german"); None: words as they stand.
    """

    model: str
    dimension: int
    language: str | None = "english"


class IndexUnavailable(Exception):
    """The index does not answer, or not as it should; it may in a while. The message is for the operator."""


@dataclass(frozen=True, slots=True)
class Point:
    """A passage as the index holds it. The text itself stays in SQL: here are only the weights of its words.

    Attributes:
        document_id, n: name the passage. Put in again, it replaces itself.
        dense: None where the embedder does not know the language.
    """

    document_id: str
    n: int
    text: str
    dense: Sequence[float] | None


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for. Without a vector by words alone; without a text by meaning alone."""

    text: str
    dense: Sequence[float] | None


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found.

    Attributes:
        score: the sum of reciprocal ranks (Cormack, Clarke and Buettcher, SIGIR 2009; k = 60), higher is better.
        ranks: at which place, from 1, each way found it.
    """

    tenant: TenantId
    document_id: str
    n: int
    score: float
    ranks: dict[Way, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredPoint:
    """A point with its weights, on its way from one index to another.

    Attributes:
        dense: float32, in this machine's order of bytes.
        words, weights: of the word search.
    """

    tenant: TenantId
    document_id: str
    n: int
    dense: bytes | None
    words: Sequence[int]
    weights: Sequence[float]


class VectorIndex(Protocol):
    """Holds points of many tenants, and shows each its own."""

    async def put(self, tenant: TenantId, points: Sequence[Point]) -> None:
        """Add or replace passages; held durably when this returns.

        Raises:
            IndexUnavailable
            ValueError: a vector has another dimension than the index, is not finite, or not of length 1. Nothing has
                been put then.
        """
        ...

    async def search(self, tenants: Sequence[TenantId], query: Query, limit: int) -> list[Hit]:
        """The best passages of these tenants, best first; none for no tenants.

        Raises:
            IndexUnavailable
            ValueError: the vector has another dimension, is not finite, or not of length 1.
        """
        ...

    async def delete_document(self, tenant: TenantId, document_id: str) -> None:
        """Delete all passages of a document; without effect when there are none.

        Raises:
            IndexUnavailable
        """
        ...

    async def delete_tenant(self, tenant: TenantId) -> None:
        """Delete all passages of a tenant.

        Raises:
            IndexUnavailable
        """
        ...

    async def count(self, tenant: TenantId, document_id: str | None = None) -> int:
        """How many passages there are of the tenant, or of one of its documents.

        Raises:
            IndexUnavailable
        """
        ...

    def list_documents(self) -> AsyncIterator[tuple[TenantId, str, int]]:
        """Tenant, document and number of passages, of all that is held: for counting orphans, across tenants.

        Raises:
            IndexUnavailable
        """
        ...

    def export(self) -> AsyncIterator[Sequence[StoredPoint]]:
        """All that is held, of all tenants, in batches that `restore` takes.

        Raises:
            IndexUnavailable
        """
        ...

    async def restore(self, points: Sequence[StoredPoint]) -> None:
        """Put in what another index of the same spec has exported.

        Raises:
            IndexUnavailable
            ValueError: a vector has another dimension than the index, is not finite, or not of length 1.
        """
        ...

    async def check(self) -> None:
        """Answer, or raise.

        Raises:
            IndexUnavailable
        """
        ...


class Indexes(Protocol):
    """The indexes there are, one for each spec: the old one answers while a new one is filled."""

    def open(self, spec: IndexSpec) -> VectorIndex:
        """The index of this spec, created with its first use. Asks nobody yet."""
        ...

    async def list_specs(self) -> list[IndexSpec]:
        """Of all indexes that exist.

        Raises:
            IndexUnavailable
        """
        ...

    async def drop(self, spec: IndexSpec) -> None:
        """Delete an index with all that is in it; without effect when there is none.

        Raises:
            IndexUnavailable
        """
        ...

    async def check(self) -> None:
        """Answer, or raise. What nobody has used yet is not started for it.

        Raises:
            IndexUnavailable
        """
        ...

    async def aclose(self) -> None:
        """Let go; what was acknowledged stays."""
        ...
