"""From hits and texts to the passages that a model is shown: neighbours together, nothing twice, within a budget."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chatkeep.index.port import Hit, Way
from chatkeep.limits.tokens import tokens_of
from chatkeep.rag.passages import Passage
from chatkeep.rag.records import StoredChunk
from chatkeep.rag.trace import Trace

Found = tuple[Hit, StoredChunk]

# What stands around a passage in the prompt.
_FRAME_TOKENS = 40
_MOST_CHUNKS_TOGETHER = 4


@dataclass(slots=True)
class _Gathered:
    """A passage that is being put together: chunks that follow each other, and the hits that brought them."""

    chunks: list[StoredChunk]
    hits: list[Hit]

    def is_next_to(self, chunk: StoredChunk) -> bool:
        first, last = self.chunks[0], self.chunks[-1]
        together = len(self.chunks) < _MOST_CHUNKS_TOGETHER
        return together and chunk.document_id == first.document_id and chunk.n in (first.n - 1, last.n + 1)

    def add(self, hit: Hit, chunk: StoredChunk) -> None:
        self.hits.append(hit)
        self.chunks = sorted([*self.chunks, chunk], key=lambda each: each.n)

    def passage(self, n: int) -> Passage:
        first, last = self.chunks[0], self.chunks[-1]
        ranks: dict[Way, int] = {}
        for hit in self.hits:
            for way, rank in hit.ranks.items():
                ranks[way] = min(rank, ranks.get(way, rank))
        best = next(chunk for chunk in self.chunks if chunk.n == self.hits[0].n)
        title = first.title or first.filename
        score = max(hit.score for hit in self.hits)
        return Passage(n, first.document_id, first.n, last.n, title, best.page, joined(self.chunks), score, ranks)


def assemble(found: Sequence[Found], limit: int, budget_tokens: int, trace: Trace) -> list[Passage]:
    """The best of `found`, which is best first, as at most `limit` passages of `budget_tokens` together; numbered from
    1 in the order of their best hits.
    """
    gathered: list[_Gathered] = []
    seen: set[str] = set()
    for hit, chunk in found:
        same = " ".join(chunk.text.split())
        tokens = tokens_of(len(chunk.text.encode()))
        neighbour = next((each for each in gathered if each.is_next_to(chunk)), None)
        needed = tokens if neighbour else tokens + _FRAME_TOKENS
        if same in seen:
            trace.leave_out(hit, "duplicate")
        elif neighbour is None and len(gathered) == limit:
            trace.leave_out(hit, "beyond_limit")
        elif needed > budget_tokens:
            trace.leave_out(hit, "over_budget")
        else:
            seen.add(same)
            budget_tokens -= needed
            if neighbour is None:
                gathered.append(_Gathered([chunk], [hit]))
            else:
                neighbour.add(hit, chunk)
    for n, each in enumerate(gathered, 1):
        for hit in each.hits:
            trace.show(hit, n)
    return [each.passage(n) for n, each in enumerate(gathered, 1)]


def joined(chunks: Sequence[StoredChunk]) -> str:
    """Of one document, in order. Chunks may overlap by a sentence, which is told once."""
    text, end = chunks[0].text, chunks[0].end
    for chunk in chunks[1:]:
        between = "\n\n" if chunk.start - end > 1 else " " * (chunk.start - end)
        text += between + chunk.text[max(0, end - chunk.start) :]
        end = chunk.end
    return text


def by_name(chunks: Mapping[tuple[str, int], StoredChunk], hits: Sequence[Hit], trace: Trace) -> list[Found]:
    """The hits whose texts the asker may read at this moment."""
    found: list[Found] = []
    for hit in hits:
        chunk = chunks.get((hit.document_id, hit.n))
        if chunk is None:
            trace.leave_out(hit, "not_readable")
        else:
            found.append((hit, chunk))
    return found
