"""Which Embedder the settings ask for."""

from collections.abc import Sequence

from chatkeep.embedding.builtin import BuiltinEmbedder
from chatkeep.embedding.endpoint import EndpointEmbedder
from chatkeep.embedding.port import Embedder, Vector

BUILTIN = "builtin"
NONE = "none"

# Of models that many have; any other's is for the operator to say.
_DIMENSIONS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
    "nomic-embed-text": 768,
    "mxbai-embed-large": 1024,
    "bge-m3": 1024,
    "snowflake-arctic-embed2": 1024,
    "embeddinggemma": 768,
    "qwen3-embedding:0.6b": 1024,
}


class NoEmbedder:
    """Everything is found by its words alone."""

    name = NONE
    # An index has room for vectors, if only for none.
    dimension = 1

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector | None]:
        return [None] * len(texts)

    async def embed_query(self, text: str) -> Vector | None:
        return None

    async def aclose(self) -> None: ...


def build_embedder(model: str, base_url: str | None, api_key: str | None, dimension: int | None) -> Embedder:
    """Choose by the model's name; nothing is started or asked yet.

    Raises:
        ValueError: a setting is missing; the text says which, and what to do.
    """
    if model == NONE:
        return NoEmbedder()
    if model == BUILTIN:
        return BuiltinEmbedder()
    if base_url is None:
        raise ValueError(f"CHATKEEP_EMBEDDING_MODEL: {model} needs an endpoint: set CHATKEEP_EMBEDDING_BASE_URL")
    known = dimension or _DIMENSIONS.get(model.removesuffix(":latest"))
    if known is None:
        raise ValueError(f"CHATKEEP_EMBEDDING_DIMENSION: how long the vectors of {model} are is not known: set it")
    return EndpointEmbedder(base_url, api_key, model, known)
