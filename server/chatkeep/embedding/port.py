"""The port to whatever turns text into vectors."""

from collections.abc import Sequence
from typing import Protocol

Vector = Sequence[float]
"""Of the embedder's dimension, finite, and of length 1."""


class EmbeddingFailed(Exception):
    """The embedder gave no usable vectors; the message says what to do. `retryable`: it may work in a while."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.message = message
        self.retryable = retryable


class Embedder(Protocol):
    """Makes the vectors by which passages are found that use other words than the question.

    Attributes:
        name: of the model and all that decides its vectors: two embedders of one name are interchangeable.
        dimension: of each vector.
    """

    @property
    def name(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector | None]:
        """A vector for each text; None for one in a language that the model does not know, whose vector would lead
        astray: it is to be found by its words alone.

        Raises:
            EmbeddingFailed
        """
        ...

    async def embed_query(self, text: str) -> Vector | None:
        """As `embed_passages`, for what is looked for; ahead of passages that wait.

        Raises:
            EmbeddingFailed
        """
        ...

    async def aclose(self) -> None: ...
