"""How a text is weighed for the word search: BM25, with the words of any language told apart.

The same weights go into either index, so that one can be moved into the other.
"""

from typing import Any

from qdrant_edge import Bm25, Bm25Config, DisabledStemmer, StopwordsSet, TokenizerType

# Stored with every index, and part of its name: other figures are another index.
BM25 = {"k": 1.2, "b": 0.75, "avg_len": 256.0, "tokenizer": "multilingual"}

Weights = tuple[list[int], list[float]]
"""Numbers of words, and a weight for each. Empty where a text has no words to look for."""


class WordWeights:
    """Weighs passages and questions with the stems and stop words of one language.

    Raises:
        ValueError: nobody knows that language.
    """

    def __init__(self, language: str | None) -> None:
        chosen: dict[str, Any] = (
            {"stemmer": DisabledStemmer(), "stopwords": StopwordsSet()} if language is None else {"language": language}
        )
        # Chinese and Thai write no spaces: the default tokenizer would take a sentence for a word.
        chosen |= BM25 | {"tokenizer": TokenizerType.Multilingual}
        self._bm25 = Bm25(Bm25Config(**chosen))

    def of_passage(self, text: str) -> Weights:
        vector = self._bm25.embed_document(text)
        return vector.indices, vector.values

    def of_query(self, text: str) -> Weights:
        vector = self._bm25.embed_query(text)
        return vector.indices, vector.values
