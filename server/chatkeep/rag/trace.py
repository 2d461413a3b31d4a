"""How an answer came by its passages, for its owner: what was searched for, what each way found, how long it took, and
what was left out and why. It names passages, and holds none of their text.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Literal

from chatkeep.index.port import Hit, Way

Meaning = Literal["searched", "language_unknown", "embedder_failed", "embedder_slow"]
"""What came of searching by meaning. But for `searched`, what was found was found by words alone."""

LeftOut = Literal["not_readable", "unrelated", "duplicate", "over_budget", "beyond_limit"]
"""Why a hit is in no passage. `not_readable`: it, or the right to read it, has gone since it was indexed."""


@dataclass(frozen=True, slots=True)
class TracedHit:
    """A passage of a document that was found. `shown_as` is what it is cited by; None: it was left out."""

    document_id: str
    chunk: int
    score: float
    ranks: dict[Way, int]
    shown_as: int | None
    left_out: LeftOut | None


@dataclass(slots=True)
class Trace:
    """Written while the search goes on. `milliseconds` is by step. Of hits that are not readable there is the count
    alone: not even their names are the reader's.
    """

    searched_for: str
    meaning: Meaning = "searched"
    tenants: int = 0
    milliseconds: dict[str, float] = field(default_factory=dict)
    hits: list[TracedHit] = field(default_factory=list)
    left_out: dict[LeftOut, int] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Take the time of a step, however it ends."""
        began = perf_counter()
        try:
            yield
        finally:
            self.milliseconds[name] = round((perf_counter() - began) * 1000, 2)

    def show(self, hit: Hit, n: int) -> None:
        """It is in passage `n`."""
        self.hits.append(TracedHit(hit.document_id, hit.n, round(hit.score, 6), hit.ranks, n, None))

    def leave_out(self, hit: Hit, why: LeftOut) -> None:
        """It is in none."""
        self.left_out[why] = self.left_out.get(why, 0) + 1
        if why != "not_readable":
            self.hits.append(TracedHit(hit.document_id, hit.n, round(hit.score, 6), hit.ranks, None, why))
