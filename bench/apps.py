"""The applications that are compared: `python -m bench.apps NAME` serves one and prints its address.

bare       FastAPI, no authentication: the baseline
authkeep   the same endpoint with authkeep mounted and `CurrentPrincipal` asked for
limited    and a limit counted, by `throttled`
fastapi    and both, by `guarded` on a route of FastAPI's
starlette  and both, by `guarded` on a plain Starlette route
relay URL  Starlette passing an upstream's bytes through with httpx: the baseline for streams
sse URL    Starlette reading an upstream with httpx and writing events with sse-starlette
openai URL Starlette reading an upstream with the openai client and writing its chunks out again
"""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

import httpx
import uvicorn
from fastapi import Depends, FastAPI
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from authkeep import Auth, AuthSettings, Limit, MemoryCounters, SigningKeys, Throttle
from authkeep.http import CurrentPrincipal, guarded, identity_of, mount, signed_in, throttled
from authkeep.testing import MemoryStore


class Me(BaseModel):
    """The light endpoint's answer."""

    id: str
    role: str


def bare() -> FastAPI:
    """No authentication at all."""
    app = FastAPI(docs_url=None, redoc_url=None)

    @app.get("/whoami")
    async def whoami() -> Me:
        return Me(id="0198c0de-0000-7000-8000-00000000000a", role="user")

    return app


def _with_authkeep() -> FastAPI:
    throttle = Throttle(MemoryCounters(), {"whoami": Limit.parse("1000000/second")})
    auth = Auth(
        AuthSettings(issuer="bench", audience="bench", access_lifetime=timedelta(hours=1)),
        MemoryStore(),
        SigningKeys.generate(),
        throttle=throttle,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with auth.running():
            yield

    app = FastAPI(docs_url=None, redoc_url=None, lifespan=lifespan)
    mount(app, auth)
    return app


def with_principal(*, limited: bool = False) -> FastAPI:
    """As somebody would write it after the README."""
    app = _with_authkeep()

    @app.get("/whoami", dependencies=[Depends(throttled("whoami"))] if limited else [])
    async def whoami(principal: CurrentPrincipal) -> Me:
        return Me(id=principal.user_id, role=principal.role.value)

    return app


def with_guarded_fastapi_route() -> FastAPI:
    """A route too hot for the framework's dependency resolution, but not for the rest of it."""
    app = _with_authkeep()

    @app.get("/whoami")
    @guarded(signed_in, throttled("whoami"))
    async def whoami(request: Request) -> Me:
        principal = identity_of(request.scope).require_principal()
        return Me(id=principal.user_id, role=principal.role.value)

    return app


def with_guarded_starlette_route() -> FastAPI:
    """A route too hot for the framework."""
    app = _with_authkeep()

    @guarded(signed_in, throttled("whoami"))
    async def whoami(request: Request) -> Response:
        principal = identity_of(request.scope).require_principal()
        return JSONResponse({"id": principal.user_id, "role": principal.role.value})

    app.router.routes.append(Route("/whoami", whoami))
    return app


def relay(upstream: str) -> Starlette:
    """What one writes first: every byte of the model's answer passed on as it comes, nothing kept."""
    client = httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=None), trust_env=False)

    async def pass_on(request: Request) -> StreamingResponse:
        body = await request.body()
        head = {"Content-Type": "application/json"}
        asked = client.build_request("POST", f"{upstream}/chat/completions", content=body, headers=head)
        answer = await client.send(asked, stream=True)

        async def chunks() -> AsyncIterator[bytes]:
            async for chunk in answer.aiter_raw():
                yield chunk
            await answer.aclose()

        return StreamingResponse(chunks(), media_type="text/event-stream")

    return Starlette(routes=[Route("/relay", pass_on, methods=["POST"])])


def sse_relay(upstream: str) -> Starlette:
    """What one writes with the library for it: an event for each of the upstream's."""
    from sse_starlette import EventSourceResponse, ServerSentEvent  # noqa: PLC0415 - the others do without

    client = httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=None), trust_env=False)

    async def pass_on(request: Request) -> EventSourceResponse:
        head = {"Content-Type": "application/json"}
        url = f"{upstream}/chat/completions"
        asked = client.build_request("POST", url, content=await request.body(), headers=head)
        answer = await client.send(asked, stream=True)

        async def events() -> AsyncIterator[ServerSentEvent]:
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    yield ServerSentEvent(line[6:])
            await answer.aclose()

        return EventSourceResponse(events())

    return Starlette(routes=[Route("/relay", pass_on, methods=["POST"])])


def openai_relay(upstream: str) -> Starlette:
    """What one writes next, to see what passes: the official client's chunks, as it gives them."""
    import openai  # noqa: PLC0415 - a second of imports that the others do without

    client = openai.AsyncOpenAI(base_url=upstream, api_key="sk-bench", max_retries=0)

    async def pass_on(request: Request) -> StreamingResponse:
        stream = await client.chat.completions.create(**await request.json())

        async def chunks() -> AsyncIterator[str]:
            async for chunk in stream:
                yield f"data: {chunk.model_dump_json()}\n\n"
            yield "data: [DONE]\n\n"

        return StreamingResponse(chunks(), media_type="text/event-stream")

    return Starlette(routes=[Route("/relay", pass_on, methods=["POST"])])


async def serve(app: ASGIApp) -> None:
    """On a free port of loopback, whose address is printed, with the server that chatkeep itself runs on."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, http="httptools", log_config=None, access_log=False, server_header=False)
    await uvicorn.Server(config).serve([listener])


def run(app: ASGIApp) -> None:
    """`serve` in a loop of its own, until the process is told to end."""
    import uvloop  # noqa: PLC0415 - only the process that serves needs it

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(app))


def main() -> None:
    """Serve the application that the command line names."""
    name, *arguments = sys.argv[1:]
    makers: dict[str, Callable[..., ASGIApp]] = {
        "bare": bare,
        "authkeep": with_principal,
        "limited": partial(with_principal, limited=True),
        "fastapi": with_guarded_fastapi_route,
        "starlette": with_guarded_starlette_route,
        "relay": relay,
        "sse": sse_relay,
        "openai": openai_relay,
    }
    run(makers[name](*arguments))


if __name__ == "__main__":
    main()
