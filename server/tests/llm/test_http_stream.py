import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chatkeep.llm.base_url import BaseUrl, parse_base_url
from chatkeep.llm.http_response import Bounds, ConnectFailed, ProtocolViolation, ResponseTooLarge
from chatkeep.llm.http_stream import StreamingClient
from chatkeep.llm.openai import OpenAIChatModel
from chatkeep.llm.scripted_upstream import ScriptedUpstream
from chatkeep.llm.testing import ask, eventually

BODY = b'{"stream": true, "model": "scripted", "messages": [{"role": "user", "content": "%b"}]}'


@pytest.fixture
async def client(upstream: ScriptedUpstream) -> AsyncIterator[StreamingClient]:
    client = StreamingClient(parse_base_url(upstream.url), bounds=Bounds(buffer=1 << 12))
    yield client
    await client.aclose()


async def _post(client: StreamingClient, message: bytes) -> bytes:
    response = await client.request("POST", "/chat/completions", {}, BODY % message)
    body = b""
    while data := await response.read():
        body += data
    response.close()
    return body


async def _canned(answer: bytes) -> tuple[asyncio.Server, BaseUrl]:
    """A server that says `answer` to whatever comes, and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, BaseUrl(False, "127.0.0.1", server.sockets[0].getsockname()[1], "/v1")


async def test_a_connection_is_used_again(upstream: ScriptedUpstream, client: StreamingClient) -> None:
    for _ in range(5):
        assert b"[DONE]" in await _post(client, b"count to 3")
    assert (upstream.connections, client.open_connections) == (1, 1)


async def test_a_connection_that_died_while_idle_is_not_noticed(
    upstream: ScriptedUpstream, client: StreamingClient
) -> None:
    assert b"[DONE]" in await _post(client, b"count to 3")
    for transport in tuple(upstream.open):
        transport.abort()
    assert b"[DONE]" in await _post(client, b"count to 3")
    assert upstream.connections == 2


async def test_a_request_that_was_begun_is_not_sent_twice(upstream: ScriptedUpstream, model: OpenAIChatModel) -> None:
    await ask(model, "count to 3")
    assert (await ask(model, "x [[fault break]]")).error is not None
    assert sum(b"break" in request for request in upstream.requests) == 1


async def test_the_pool_is_bounded(upstream: ScriptedUpstream) -> None:
    client = StreamingClient(parse_base_url(upstream.url), max_idle=2)
    await asyncio.gather(*(_post(client, b"count to 100") for _ in range(10)))
    await eventually(lambda: client.open_connections == 2)
    await client.aclose()
    await eventually(lambda: not upstream.open)


async def test_connections_are_bounded(upstream: ScriptedUpstream) -> None:
    client = StreamingClient(parse_base_url(upstream.url), max_connections=1)
    response = await client.request("POST", "/chat/completions", {}, BODY % b"[[fault endless]]")
    with pytest.raises(ConnectFailed, match="too many"):
        await client.request("GET", "/models", {})
    response.close()
    await client.aclose()


async def test_a_slow_reader_stops_the_sender(client: StreamingClient) -> None:
    response = await client.request("POST", "/chat/completions", {}, BODY % b"[[fault endless]]")
    (connection,) = client._open
    await eventually(lambda: connection._transport is not None and not connection._transport.is_reading())
    assert len(await response.read()) < 1 << 20
    assert await response.read()
    response.close()


async def test_cancelling_a_request_closes_its_connection(upstream: ScriptedUpstream, client: StreamingClient) -> None:
    request = asyncio.create_task(client.request("POST", "/chat/completions", {}, BODY % b"[[fault silent]]"))
    await eventually(lambda: bool(upstream.requests))
    request.cancel()
    await asyncio.wait([request])
    await eventually(lambda: not upstream.open and not client.open_connections)


async def test_many_large_responses_arrive_whole(client: StreamingClient) -> None:
    bodies = await asyncio.gather(*(_post(client, b"[[tokens 5000]]") for _ in range(8)))
    assert len(set(bodies)) == 1
    assert bodies[0].count(b"data: {") == 5002


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nTrailer: x\r\n\r\n", b"ok"),
    ],
)
async def test_every_framing_of_a_body_is_understood(answer: bytes, body: bytes) -> None:
    server, url = await _canned(answer)
    client = StreamingClient(url)
    assert await _post(client, b"") == body
    await client.aclose()
    server.close()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"SSH-2.0-OpenSSH\r\n", ProtocolViolation),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", ProtocolViolation),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", ProtocolViolation),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ProtocolViolation),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 50_000, ResponseTooLarge),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 500_000, ResponseTooLarge),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * 50_000, ResponseTooLarge),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 500_000, ResponseTooLarge),
    ],
)
async def test_what_is_not_http_is_refused(answer: bytes, error: type[Exception]) -> None:
    server, url = await _canned(answer)
    client = StreamingClient(url, bounds=Bounds(body=400_000))
    with pytest.raises(error):
        await _post(client, b"")
    await client.aclose()
    server.close()


async def test_a_header_field_cannot_carry_a_second_one(client: StreamingClient) -> None:
    with pytest.raises(ValueError, match="line end"):
        await client.request("GET", "/models", {"Authorization": "Bearer x\r\nX-Evil: 1"})


async def test_a_name_that_leads_to_the_metadata_address_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, upstream: ScriptedUpstream
) -> None:
    # Stands in for a name server that answers differently the second time.
    monkeypatch.setattr("chatkeep.llm.http_stream.is_forbidden_address", lambda address: address == "127.0.0.1")
    client = StreamingClient(parse_base_url(upstream.url))
    with pytest.raises(ConnectFailed, match="forbidden address"):
        await client.request("GET", "/models", {"Authorization": "Bearer sk-test"})
    assert not upstream.requests


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for localhost, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + dt.timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
async def tls_url(certificate: Path) -> AsyncIterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    upstream = ScriptedUpstream()
    await upstream.start(tls=context)
    yield upstream.url.replace("127.0.0.1", "localhost")
    await upstream.aclose()


async def test_tls_streams_and_keeps_alive(tls_url: str, certificate: Path) -> None:
    client = StreamingClient(parse_base_url(tls_url), ssl_context=ssl.create_default_context(cafile=str(certificate)))
    for _ in range(3):
        assert (await _post(client, b"[[tokens 3000]]")).count(b"data: {") == 3002
    assert client.open_connections == 1
    await client.aclose()


async def test_a_certificate_nobody_vouches_for_is_refused(tls_url: str) -> None:
    client = StreamingClient(parse_base_url(tls_url))
    with pytest.raises(ConnectFailed, match="tls"):
        await client.request("GET", "/models", {"Authorization": "Bearer sk-test"})


async def test_a_certificate_for_another_name_is_refused(tls_url: str, certificate: Path) -> None:
    context = ssl.create_default_context(cafile=str(certificate))
    client = StreamingClient(parse_base_url(tls_url.replace("localhost", "127.0.0.1")), ssl_context=context)
    with pytest.raises(ConnectFailed, match="tls"):
        await client.request("GET", "/models", {})
