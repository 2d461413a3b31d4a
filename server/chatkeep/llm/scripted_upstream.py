"""A scripted OpenAI-compatible endpoint over a real socket, for tests, demonstrations and benchmarks.

    python -m chatkeep.llm.scripted_upstream --port 0 --rate 50

prints its base URL on the first line and serves until it is stopped, or until its standard input ends when
`--until-eof` is given. What it answers follows from the message and the model's name (`script.py`); `--rate` is the
number of tokens a second in every answer, 0 for as fast as the reader takes them. `--key` refuses every other key.
"""

import argparse
import asyncio
import os
import signal
import ssl
from collections import deque
from collections.abc import Iterator
from typing import Any, Literal, cast

import httptools
import msgspec
import uvloop
from typing_extensions import override

from chatkeep.llm.model import PromptMessage
from chatkeep.llm.script import MODEL, script_for
from chatkeep.llm.scripted_answers import End, Step, answer, document, refusal, whole_answer


class _Message(msgspec.Struct):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = None

    def plain(self) -> PromptMessage:
        """What of it a script looks at."""
        parts = self.content if isinstance(self.content, list) else [{"text": self.content or ""}]
        role = self.role if self.role in ("system", "assistant") else "user"
        return PromptMessage(role, "".join(str(part.get("text", "")) for part in parts))


class _StreamOptions(msgspec.Struct):
    include_usage: bool = False


class _Request(msgspec.Struct):
    model: str
    messages: list[_Message]
    stream: bool = False
    stream_options: _StreamOptions | None = None


class ScriptedUpstream:
    """The endpoint's settings and what has happened to it, for a test to look at. The next `failures` questions for an
    answer, whatever they are, get status 503.
    """

    def __init__(self, *, delay: float = 0.0, key: str | None = None) -> None:
        self.delay = delay
        self.key = key
        self.failures = 0
        self.url = ""
        self.requests: deque[bytes] = deque(maxlen=100)
        self.connections = 0
        self.open: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> str:
        """Listen, and return the base URL."""
        self._server = await asyncio.get_running_loop().create_server(lambda: _Exchange(self), host, port, ssl=tls)
        self.url = f"{'https' if tls else 'http'}://{host}:{self._server.sockets[0].getsockname()[1]}/v1"
        return self.url

    async def aclose(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is not None:
            self._server.close()
        for transport in tuple(self.open):
            transport.abort()


class _Exchange(asyncio.Protocol):
    """One client's connection; requests come one after the other."""

    def __init__(self, upstream: ScriptedUpstream) -> None:
        self._upstream = upstream
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._body = bytearray()
        self._path = b""
        self._authorization = b""
        self._steps: Iterator[Step] = iter(())
        self._writable = True
        self._next_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._upstream.connections += 1
        self._upstream.open.add(self._transport)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._upstream.open.discard(self._transport)
        self._steps = iter(())
        if self._timer is not None:
            self._timer.cancel()

    @override
    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    @override
    def pause_writing(self) -> None:
        self._writable = False

    @override
    def resume_writing(self) -> None:
        self._writable = True
        self._pump()

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"authorization":
            self._authorization = value

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._upstream.requests.append(bytes(self._body))
        self._steps = self._answer()
        self._body.clear()
        self._path = self._authorization = b""
        self._next_at = self._loop.time()
        self._pump()

    def _answer(self) -> Iterator[Step]:
        if self._upstream.key and self._authorization != b"Bearer " + self._upstream.key.encode():
            return iter((refusal("401"), End.KEEP))
        if self._path == b"/v1/chat/completions":
            return self._completion()
        if self._path == b"/v1/models":
            models = {
                "object": "list",
                "data": [{"id": model, "object": "model"} for model in (MODEL, f"{MODEL}-slow")],
            }
            return iter((document(msgspec.json.encode(models)), End.KEEP))
        return iter((document(b"not found", status=404, content_type="text/plain"), End.KEEP))

    def _completion(self) -> Iterator[Step]:
        if self._upstream.failures:
            self._upstream.failures -= 1
            return iter((refusal("503"), End.KEEP))
        try:
            request = msgspec.json.decode(self._body, type=_Request)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return iter((refusal("422"), End.KEEP))
        if not request.model.startswith(MODEL):
            return iter((refusal("404"), End.KEEP))
        script = script_for(request.model, [message.plain() for message in request.messages])
        if not request.stream:
            return whole_answer(script)
        options = request.stream_options or _StreamOptions()
        return answer(script, delay=self._upstream.delay, include_usage=options.include_usage)

    def _pump(self) -> None:
        """Write until the reader cannot keep up, a pause comes, or the answer ends."""
        write = self._transport.write
        # A reader that went away is told of by a callback, which an answer without end must leave room for.
        while self._writable and not self._transport.is_closing():
            step = next(self._steps, End.HANG)
            if isinstance(step, bytes):
                write(step)
            elif isinstance(step, float):
                # By schedule and not by distance, so that a busy machine does not lower the rate.
                self._next_at += step
                self._timer = self._loop.call_at(self._next_at, self._pump)
                return
            else:
                self._end(step)
                return

    def _end(self, end: End) -> None:
        if end is End.ABORT or (end is End.KEEP and not self._parser.should_keep_alive()):
            self._transport.close()  # not abort(): what was written goes out first


async def serve(host: str, port: int, upstream: ScriptedUpstream, *, until_eof: bool) -> None:
    """Serve until SIGTERM or SIGINT, or the end of standard input."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    print(await upstream.start(host, port), flush=True)  # noqa: T201 (the caller reads the address here)
    if until_eof:
        loop.add_reader(0, lambda: None if os.read(0, 4096) else stopped.set())
    await stopped.wait()
    await upstream.aclose()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m chatkeep.llm.scripted_upstream", description="A scripted endpoint."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--rate", type=float, default=0.0, help="tokens a second in every answer; 0: no pause")
    parser.add_argument("--key", help="the only key that is accepted; without it, any or none")
    parser.add_argument("--until-eof", action="store_true", help="stop when standard input ends")
    arguments = parser.parse_args()
    delay = 1 / arguments.rate if arguments.rate > 0 else 0.0
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        upstream = ScriptedUpstream(delay=delay, key=arguments.key)
        runner.run(serve(arguments.host, arguments.port, upstream, until_eof=arguments.until_eof))


if __name__ == "__main__":
    main()
