"""Run the application under uvicorn: listen, start, say where to go; on a signal drain first, then stop."""

import asyncio
import gc
import os
import socket
from contextlib import ExitStack, suppress
from types import FrameType
from typing import cast

import click
import uvicorn
from fastapi import FastAPI

from chatkeep.app import ServerUnusable, create_app, prepare
from chatkeep.chat.dependencies import ChatServices
from chatkeep.completions.dependencies import CompletionServices
from chatkeep.data_dir import DataDirUnusable, make_private, one_server
from chatkeep.identity import setup_code_to_show
from chatkeep.ops.request_heads import BoundedHeads
from chatkeep.settings import Settings

# Streams end at once when the server drains; this is for clients that do not read the end.
GRACE_SECONDS = 5
# More of them, before the youngest are looked through for cycles.
_NEW_OBJECTS = 10_000


def serve(settings: Settings) -> None:
    """Serve until a signal says to stop.

    Raises:
        ServerUnusable: the server cannot start with these settings; the message names the one to change.
    """
    # What SQLite and others create beside what we create is nobody else's to read either.
    os.umask(0o077)
    allow_many_streams()
    with ExitStack() as stack:
        try:
            make_private(settings.data_dir)
            if settings.sqlite_file is not None:
                stack.enter_context(one_server(settings.sqlite_file))
        except DataDirUnusable as error:
            raise ServerUnusable(str(error)) from None
        listener = stack.enter_context(_listen(settings.host, settings.port))
        runner = stack.enter_context(asyncio.Runner(loop_factory=_loop_factory()))
        runner.run(_serve(settings, listener))


async def _serve(settings: Settings, listener: socket.socket) -> None:
    await prepare(settings)
    port = listener.getsockname()[1]
    app = create_app(settings, _own_url(settings.host, port))
    config = uvicorn.Config(
        app,
        http=BoundedHeads,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    await _Server(config, app, settings, port).serve([listener])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, app: FastAPI, settings: Settings, port: int) -> None:
        super().__init__(config)
        self._app = app
        self._runner = cast(ChatServices, app.state.chat).runner
        self._completions = cast(CompletionServices, app.state.completions).underway
        self._settings = settings
        self._port = port

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell the person at the terminal where to go."""
        await super().startup(sockets)
        # What is here now stays; a collection that looked at all of it would stop every stream for a tenth of a second.
        gc.collect()
        gc.freeze()
        # A stream is some 260 objects that a collection looks at, and a slice of checkpoints makes a thousand for a
        # moment: the usual threshold of 700 has them all looked at again and again, and nothing found.
        gc.set_threshold(_NEW_OBJECTS, 10, 10)
        click.echo(_welcome(self._settings, self._port, await setup_code_to_show(self._app.state.auth, self._settings)))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The second signal means: at once."""
        self._runner.hurried = self._completions.hurried = self.should_exit
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams first: uvicorn waits for open responses, and they would wait for their models."""
        documents = getattr(self._app.state, "documents", None)
        if documents is not None:
            documents.ingester.drain()
        await asyncio.gather(self._runner.drain(), self._completions.drain())
        await super().shutdown(sockets)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        both = host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server((host, port), family=family, backlog=2048, dualstack_ipv6=both)
    except (OSError, UnicodeError) as error:
        # A name whose labels are too long for the DNS fails in its encoding, before anybody is asked.
        reason = getattr(error, "strerror", None) or "that is no host name"
        raise ServerUnusable(
            f"CHATKEEP_HOST and CHATKEEP_PORT: cannot listen on {host}:{port} ({reason}). Choose another with --port."
        ) from None


def _own_url(host: str, port: int) -> str:
    """Where the page reaches the API from within: through loopback when we listen everywhere."""
    if host in ("0.0.0.0", ""):  # noqa: S104 - a comparison, not a binding
        host = "127.0.0.1"
    elif host == "::":
        host = "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _welcome(settings: Settings, port: int, setup_code: str | None) -> str:
    url = settings.public_url or _own_url(settings.host, port)
    lines = ["", f"  chatkeep is running. Open {url} in your browser.", ""]
    if setup_code is not None:
        lines.append(f"  The first account becomes the administrator and needs this setup code: {setup_code}")
    lines.append(f"  Your data lies in {settings.data_dir.absolute()}.")
    if settings.llm_base_url is None:
        lines.append("  Answers come from the small built-in model. For a better one set CHATKEEP_LLM_BASE_URL.")
    lines += ["  Press Ctrl+C to stop.", ""]
    return "\n".join(lines)


def allow_many_streams() -> None:
    """Let the process open as many files as it may: each stream is two, and the usual limit is at a thousand."""
    try:
        import resource  # noqa: PLC0415 - not on every platform
    except ImportError:
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems name a limit that they do not grant.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _loop_factory() -> "type[asyncio.AbstractEventLoop] | None":
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return None
    return uvloop.Loop
