"""Fuses what was found by words and by meaning: reciprocal ranks, here and not in the engine, whose k is another.

Cormack, Clarke and Buettcher, "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods",
SIGIR 2009: score = sum over the ways of 1 / (k + rank), k = 60, ranks from 1.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from chatkeep.index.port import Hit, TenantId, Way

K = 60
_FEWEST_CANDIDATES = 50


class Found(NamedTuple):
    """A passage that one way has found."""

    tenant: TenantId
    document_id: str
    n: int


def candidates(limit: int) -> int:
    """How many to ask of each way for `limit` hits: what is good at both can stand low in each.

    Raises:
        ValueError: nobody can want less than one.
    """
    if limit < 1:
        raise ValueError("a limit is at least 1")
    return max(2 * limit, _FEWEST_CANDIDATES)


def fuse(found: Mapping[Way, Sequence[Found]], limit: int) -> list[Hit]:
    """The best of all ways, best first. Equals stand in the order of the best place that any way gave them, and then
    of their names: the same question has the same answer.
    """
    ranks: dict[Found, dict[Way, int]] = {}
    for way, passages in found.items():
        for rank, passage in enumerate(passages, 1):
            ranks.setdefault(passage, {})[way] = rank
    hits = [Hit(*passage, score=_score(by_way), ranks=by_way) for passage, by_way in ranks.items()]
    hits.sort(key=lambda hit: (-hit.score, min(hit.ranks.values()), hit.tenant, hit.document_id, hit.n))
    return hits[:limit]


def _score(ranks: Mapping[Way, int]) -> float:
    return sum(1 / (K + rank) for rank in ranks.values())
