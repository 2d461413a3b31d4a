"""Embeddings by an OpenAI-compatible endpoint: `POST {base_url}/embeddings`, in batches, a few at once."""

import asyncio
import math
from collections.abc import Sequence

import httpx
import msgspec

from chatkeep.embedding.port import EmbeddingFailed, Vector

_TEXTS_TOGETHER = 64
_AT_ONCE = 4
_MOST_CHARACTERS = 20_000
_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
# 64 vectors of 4,096 numbers, with twenty digits each.
_MOST_BYTES = 8 * 1024 * 1024


class _Item(msgspec.Struct):
    index: int
    embedding: list[float]


class _Answer(msgspec.Struct):
    data: list[_Item]


_decode = msgspec.json.Decoder(_Answer).decode


class EndpointEmbedder:
    """A model of an endpoint; it is taken to know every language.

    Args:
        base_url: up to and with `/v1`; where it leads on to is not followed.
        dimension: what the model's vectors have. Others are refused, since the index could not hold them.
    """

    def __init__(self, base_url: str, api_key: str | None, model: str, dimension: int) -> None:
        self.name = model
        self.dimension = dimension
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers={"authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=_TIMEOUT,
            # A proxy of the environment would see everybody's documents.
            trust_env=False,
        )
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector | None]:
        parts = [texts[start : start + _TEXTS_TOGETHER] for start in range(0, len(texts), _TEXTS_TOGETHER)]
        return [vector for part in parts for vector in await self._take_turn(part)]

    async def embed_query(self, text: str) -> Vector | None:
        # Not behind the batches of long documents.
        return (await self._embed([text]))[0]

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _take_turn(self, texts: Sequence[str]) -> list[Vector]:
        async with self._turn:
            return await self._embed(texts)

    async def _embed(self, texts: Sequence[str]) -> list[Vector]:
        # A blank input is an error to most endpoints, and a lone surrogate to JSON.
        given = [text[:_MOST_CHARACTERS].encode(errors="replace").decode() or " " for text in texts]
        body = {"model": self.name, "input": given, "encoding_format": "float"}
        try:
            async with self._client.stream("POST", "embeddings", json=body) as response:
                _refuse_failure(response.status_code)
                answer = _decode(await _read_bounded(response))
        except httpx.HTTPError as error:
            raise EmbeddingFailed(
                f"The embedding endpoint does not answer ({type(error).__name__}).", retryable=True
            ) from error
        except msgspec.MsgspecError as error:
            raise EmbeddingFailed("The embedding endpoint's answer is not the protocol.", retryable=False) from error
        return self._in_order(answer.data, len(texts))

    def _in_order(self, items: list[_Item], count: int) -> list[Vector]:
        vectors = {item.index: item.embedding for item in items}
        if vectors.keys() != set(range(count)) or len(items) != count:
            raise EmbeddingFailed("The embedding endpoint left texts out.", retryable=False)
        return [self._checked(vectors[index]) for index in range(count)]

    def _checked(self, vector: list[float]) -> Vector:
        if len(vector) != self.dimension:
            raise EmbeddingFailed(
                f"The embedding endpoint's vectors have {len(vector)} dimensions and not {self.dimension};"
                " set CHATKEEP_EMBEDDING_DIMENSION.",
                retryable=False,
            )
        length = math.sqrt(math.fsum(number * number for number in vector)) if all(map(_is_sane, vector)) else 0.0
        if length == 0.0:
            raise EmbeddingFailed("The embedding endpoint's vectors are no directions.", retryable=False)
        return [number / length for number in vector]


def _is_sane(number: float) -> bool:
    return math.isfinite(number) and abs(number) < 1e18  # whose square is a number still


def _refuse_failure(status: int) -> None:
    if status in (401, 403):
        raise EmbeddingFailed("The embedding endpoint wants another key: CHATKEEP_EMBEDDING_API_KEY.", retryable=False)
    if status == 429 or status >= 500:
        raise EmbeddingFailed(f"The embedding endpoint is busy or broken ({status}).", retryable=True)
    if status != 200:
        raise EmbeddingFailed(f"The embedding endpoint refuses the texts ({status}).", retryable=False)


async def _read_bounded(response: httpx.Response) -> bytes:
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > _MOST_BYTES:
            raise EmbeddingFailed("The embedding endpoint's answer is too large.", retryable=False)
    return bytes(body)
