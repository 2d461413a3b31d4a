"""How well passages are found, beside bm25s on the same collections: `python -m bench.retrieval_quality FOLDER ...`.

A folder is a collection in BEIR's layout: corpus.jsonl, queries.jsonl, and qrels.tsv, be it in `qrels/test.tsv`.
nDCG@10 and recall@10, the mean over all questions; by words alone, by meaning alone, and by both, as the server does.
"""

import asyncio
import csv
import json
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bm25s

from chatkeep.embedding.builtin import BuiltinEmbedder
from chatkeep.embedding.port import Embedder, Vector
from chatkeep.index.edge import EdgeIndexes
from chatkeep.index.port import IndexSpec, Point, Query, TenantId, VectorIndex

LIMIT = 10
_TENANT = TenantId("u:bench")
_TOGETHER = 64

Found = Sequence[Sequence[str]]
"""The passages of each question, the best first."""


@dataclass(frozen=True)
class Collection:
    """Passages and questions by id; `relevant` says which passages answer a question, and how well."""

    passages: dict[str, str]
    questions: dict[str, str]
    relevant: dict[str, dict[str, int]]

    @classmethod
    def read(cls, folder: Path) -> "Collection":
        passages = {
            row["_id"]: f"{row.get('title', '')}\n{row['text']}".strip() for row in _rows(folder / "corpus.jsonl")
        }
        relevant: dict[str, dict[str, int]] = {}
        judged = next(path for path in (folder / "qrels.tsv", folder / "qrels" / "test.tsv") if path.exists())
        with judged.open(encoding="utf-8") as lines:
            for question, passage, score in list(csv.reader(lines, delimiter="\t"))[1:]:
                if int(score) > 0:
                    relevant.setdefault(question, {})[passage] = int(score)
        questions = {row["_id"]: row["text"] for row in _rows(folder / "queries.jsonl") if row["_id"] in relevant}
        return cls(passages, questions, relevant)

    def quality(self, found: Found) -> tuple[float, float]:
        """nDCG@10 with exponential gains, and recall@10."""
        ndcg = recall = 0.0
        for question, passages in zip(self.questions, found, strict=True):
            wanted = self.relevant[question]
            ideal = _dcg(sorted(wanted.values(), reverse=True)[:LIMIT])
            ndcg += _dcg([wanted.get(passage, 0) for passage in passages[:LIMIT]]) / ideal
            recall += len(wanted.keys() & set(passages[:LIMIT])) / len(wanted)
        return ndcg / len(self.questions), recall / len(self.questions)


def _rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _dcg(gains: Sequence[int]) -> float:
    return sum((2.0**gain - 1) / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))


def by_bm25s(collection: Collection) -> Found:
    """With its own defaults for tokens, and k1 and b as ours."""
    ids = list(collection.passages)
    retriever = bm25s.BM25(k1=1.2, b=0.75)
    retriever.index(bm25s.tokenize(list(collection.passages.values()), show_progress=False), show_progress=False)
    asked = bm25s.tokenize(list(collection.questions.values()), show_progress=False)
    found, _ = retriever.retrieve(asked, k=min(LIMIT, len(ids)), show_progress=False)
    return [[ids[place] for place in places] for places in found]


async def fill(index: VectorIndex, embedder: Embedder, collection: Collection) -> None:
    """Each passage is a document of one chunk."""
    passages = list(collection.passages.items())
    for start in range(0, len(passages), _TOGETHER):
        part = passages[start : start + _TOGETHER]
        vectors = await embedder.embed_passages([text for _, text in part])
        points = [Point(name, 1, text, vector) for (name, text), vector in zip(part, vectors, strict=True)]
        await index.put(_TENANT, points)


async def ask(index: VectorIndex, texts: Sequence[str], vectors: Sequence[Vector | None]) -> Found:
    """One question after the other."""
    hits = [
        await index.search([_TENANT], Query(text, vector), LIMIT) for text, vector in zip(texts, vectors, strict=True)
    ]
    return [[hit.document_id for hit in each] for each in hits]


async def measure(folder: Path, directory: Path) -> None:
    """Print a line for each way."""
    collection = Collection.read(folder)
    embedder, indexes = BuiltinEmbedder(), EdgeIndexes(directory)
    try:
        index = indexes.open(IndexSpec(embedder.name, embedder.dimension))
        await fill(index, embedder, collection)
        texts = list(collection.questions.values())
        vectors = [await embedder.embed_query(text) for text in texts]
        nothing = [None] * len(texts)
        found = {
            "bm25s": by_bm25s(collection),
            "words": await ask(index, texts, nothing),
            "meaning": await ask(index, [""] * len(texts), vectors),
            "both": await ask(index, texts, vectors),
        }
    finally:
        await indexes.aclose()
        await embedder.aclose()
    print(f"{folder.name}: {len(collection.passages)} passages, {len(texts)} questions")
    for way, passages in found.items():
        ndcg, recall = collection.quality(passages)
        print(f"  {way:8} nDCG@10 {ndcg:.3f}  recall@10 {recall:.3f}")


def main() -> None:
    """Measure each folder that is named."""
    if len(sys.argv) < 2:
        sys.exit("usage: python -m bench.retrieval_quality FOLDER ...")
    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as directory:
            asyncio.run(measure(Path(name), Path(directory) / "index"))


if __name__ == "__main__":
    main()
