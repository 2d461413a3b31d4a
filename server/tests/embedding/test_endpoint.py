import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from chatkeep.embedding.endpoint import EndpointEmbedder
from chatkeep.embedding.port import EmbeddingFailed
from chatkeep.embedding.selection import NoEmbedder, build_embedder

Answer = Callable[[dict[str, Any]], bytes | Awaitable[bytes]]


@asynccontextmanager
async def answering(answer: Answer, status: str = "200 OK") -> AsyncIterator[EndpointEmbedder]:
    """An endpoint on a socket that answers each request so, and an embedder of three dimensions that asks it."""
    asked: list[dict[str, Any]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        assert "authorization: bearer a-key" in head
        asked.append(json.loads(await reader.readexactly(length)))
        body = answer(asked[-1])
        body = body if isinstance(body, bytes) else await body
        writer.write(f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    embedder = EndpointEmbedder(url, "a-key", "m", 3)
    async with server:
        yield embedder
        await embedder.aclose()


def body_of(vectors: list[Any]) -> bytes:
    return json.dumps({"data": [{"index": n, "embedding": vector} for n, vector in enumerate(vectors)]}).encode()


async def test_vectors_come_in_order_and_of_length_1() -> None:
    def answer(asked: dict[str, Any]) -> bytes:
        assert asked["model"] == "m"
        items = [{"index": n, "embedding": [len(text), 0, 0]} for n, text in enumerate(asked["input"])]
        return json.dumps({"object": "list", "data": items[::-1]}).encode()

    async with answering(answer) as embedder:
        assert await embedder.embed_passages(["one", "", "\ud800"]) == [[1, 0, 0]] * 3
        assert await embedder.embed_query("one") == [1, 0, 0]
        assert await embedder.embed_passages([]) == []


async def test_long_documents_go_in_batches() -> None:
    sizes: list[int] = []

    def answer(asked: dict[str, Any]) -> bytes:
        sizes.append(len(asked["input"]))
        return body_of([[0, 1, 0]] * len(asked["input"]))

    async with answering(answer) as embedder:
        assert len(await embedder.embed_passages(["text"] * 150)) == 150
    assert sizes == [64, 64, 22]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (body_of([[1, 2]]), "CHATKEEP_EMBEDDING_DIMENSION"),
        (body_of([[0, 0, 0]]), "no directions"),
        (b'{"data": [{"index": 0, "embedding": [1e300, 1, 1]}]}', "no directions"),
        (b'{"data": [{"index": 0, "embedding": [NaN, 1, 1]}]}', "not the protocol"),
        (b'{"data": [{"index": 0, "embedding": ["1", 1, 1]}]}', "not the protocol"),
        (b'{"data": []}', "left texts out"),
        (body_of([[1, 0, 0]] * 2), "left texts out"),
        (b'{"data": [{"index": 7, "embedding": [1, 1, 1]}]}', "left texts out"),
        (b"<html>", "not the protocol"),
        (b"", "not the protocol"),
        (b"[" * (9 << 20), "too large"),
        (b"[" * 100_000, "not the protocol"),
    ],
)
async def test_a_hostile_endpoint_is_refused(body: bytes, says: str) -> None:
    async with answering(lambda _: body) as embedder:
        with pytest.raises(EmbeddingFailed, match=says) as failed:
            await embedder.embed_query("text")
        assert not failed.value.retryable


@pytest.mark.parametrize(
    ("status", "retryable", "says"),
    [
        ("401 Unauthorized", False, "CHATKEEP_EMBEDDING_API_KEY"),
        ("429 Too Many Requests", True, "busy"),
        ("503 Service Unavailable", True, "busy"),
        ("400 Bad Request", False, "refuses the texts"),
        ("302 Found", False, "refuses the texts"),
    ],
)
async def test_a_refusal_says_what_to_do(status: str, retryable: bool, says: str) -> None:
    async with answering(lambda _: b"{}", status) as embedder:
        with pytest.raises(EmbeddingFailed, match=says) as failed:
            await embedder.embed_query("text")
        assert failed.value.retryable is retryable


async def test_an_endpoint_that_is_away_may_come_back() -> None:
    embedder = EndpointEmbedder("http://127.0.0.1:9/v1", None, "m", 3)
    with pytest.raises(EmbeddingFailed, match="does not answer") as failed:
        await embedder.embed_query("text")
    assert failed.value.retryable
    await embedder.aclose()


async def test_the_settings_choose() -> None:
    assert isinstance(build_embedder("none", None, None, None), NoEmbedder)
    assert build_embedder("builtin", None, None, None).name == "all-MiniLM-L6-v2"
    assert build_embedder("nomic-embed-text:latest", "http://x/v1", None, None).dimension == 768
    assert build_embedder("odd", "http://x/v1", None, 17).dimension == 17
    with pytest.raises(ValueError, match="CHATKEEP_EMBEDDING_DIMENSION"):
        build_embedder("odd", "http://x/v1", None, None)
    with pytest.raises(ValueError, match="CHATKEEP_EMBEDDING_BASE_URL"):
        build_embedder("odd", None, None, 3)
    assert await NoEmbedder().embed_passages(["a", "b"]) == [None, None]
    assert await NoEmbedder().embed_query("a") is None
