"""Answers in the documents' own words: the sentences that say most about a question, each with the passage it is from.

It needs no language model, makes nothing up, and says so when nothing fits. Sentences are ranked by the question's
words (BM25 among the sentences of what was found; Robertson and Zaragoza, 2009) and, where there is an embedder that
knows the language, by their vectors too; both fused by reciprocal ranks.
"""

import asyncio
import math
import re
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from chatkeep.embedding.port import Embedder, EmbeddingFailed
from chatkeep.llm.model import Chunk, Usage
from chatkeep.rag.passages import Passage
from chatkeep.rag.question import salient_words
from chatkeep.rag.retrieve import cosine

MODEL = "quotes"
"""Its name among the models on offer."""

_MOST_SENTENCES = 4
_MOST_CONSIDERED = 120
# What is embedded costs a tenth of a second for some sentences: only those that words have not ruled out.
_MOST_EMBEDDED = 16
_LONGEST_SENTENCE = 600
_SHORTEST_SENTENCE = 12
_SENTENCE = re.compile(r"[^.!?。！？\n]+(?:[.!?。！？]+(?=\s|$|[^\s.!?])|\n|$)")  # noqa: RUF001 - of other languages
_WORD = re.compile(r"\w+")
_STEM = 5
_K1, _B, _RANK_K = 1.2, 0.75, 60
_PATIENCE_SECONDS = 5.0
_NOTHING = "Your documents say nothing about this that can be quoted."
# Nobody asks a model, so no tokens are used: quotas count the request.
_FREE = Usage(0, 0)


@dataclass(frozen=True, slots=True)
class _Sentence:
    text: str
    passage: int
    place: int
    stems: Counter[str]


async def quote(question: str, passages: Sequence[Passage], embedder: Embedder) -> AsyncGenerator[Chunk, None]:
    """An answer, sentence by sentence, in the order of the passages."""
    chosen = await _choose(question, _sentences(passages), embedder)
    if not chosen:
        yield Chunk(_NOTHING)
    for sentence in sorted(chosen, key=lambda each: (each.passage, each.place)):
        yield Chunk(f"> {_plain(sentence.text)} [{sentence.passage}]\n\n")
        # Whoever wants to stop it gets the chance.
        await asyncio.sleep(0)
    yield Chunk(finish_reason="stop", usage=_FREE)


def _sentences(passages: Sequence[Passage]) -> list[_Sentence]:
    found: list[_Sentence] = []
    for passage in passages:
        for place, match in enumerate(_SENTENCE.finditer(passage.text)):
            text = " ".join(match[0].split())
            if len(text) >= _SHORTEST_SENTENCE and len(found) < _MOST_CONSIDERED:
                found.append(_Sentence(text[:_LONGEST_SENTENCE], passage.n, place, Counter(_stems(text))))
    return found


async def _choose(question: str, sentences: Sequence[_Sentence], embedder: Embedder) -> list[_Sentence]:
    wanted = {_stem(word) for word in salient_words(question)}
    by_words = _ranked(_bm25(wanted, sentences))
    candidates = [sentences[index] for index in by_words[:_MOST_EMBEDDED]] or list(sentences[:_MOST_EMBEDDED])
    similarities = await _similarities(question, candidates, embedder)
    scores = [1 / (_RANK_K + rank) if by_words else 0.0 for rank in range(1, len(candidates) + 1)]
    for rank, index in enumerate(_ranked(similarities), 1):
        scores[index] += 1 / (_RANK_K + rank)
    best = sorted(range(len(candidates)), key=lambda index: -scores[index])[:_MOST_SENTENCES]
    return [candidates[index] for index in best if scores[index] > 0]


def _bm25(wanted: set[str], sentences: Sequence[_Sentence]) -> list[float]:
    average = sum(each.stems.total() for each in sentences) / max(1, len(sentences))
    holding = {stem: sum(stem in each.stems for each in sentences) for stem in wanted}
    scores = []
    for each in sentences:
        length = _K1 * (1 - _B + _B * each.stems.total() / max(1.0, average))
        score = 0.0
        for stem in wanted & each.stems.keys():
            rarity = math.log(1 + (len(sentences) - holding[stem] + 0.5) / (holding[stem] + 0.5))
            score += rarity * each.stems[stem] * (_K1 + 1) / (each.stems[stem] + length)
        scores.append(score)
    return scores


async def _similarities(question: str, sentences: Sequence[_Sentence], embedder: Embedder) -> list[float]:
    """Of each sentence; zeros where nobody can tell, or not soon."""
    nothing = [0.0] * len(sentences)
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            asked = await embedder.embed_query(question)
            if asked is None or not sentences:
                return nothing
            vectors = await embedder.embed_passages([each.text for each in sentences])
    except (EmbeddingFailed, TimeoutError):
        return nothing
    return [cosine(asked, vector) for vector in vectors]


def _ranked(scores: Sequence[float]) -> list[int]:
    """The places of those that are above zero, the best first."""
    return sorted((index for index, score in enumerate(scores) if score > 0), key=lambda index: -scores[index])


def _stems(text: str) -> list[str]:
    return [_stem(word) for word in _WORD.findall(text)]


def _stem(word: str) -> str:
    """Near enough for telling whether two words are one, in languages that change the ends of words."""
    return word.casefold()[:_STEM]


def _plain(text: str) -> str:
    """As words and nothing else: a document's links, pictures and markup are not to come to life in an answer."""
    return re.sub(r"([\\`*_{}\[\]<>#|!~$])", r"\\\1", text)
