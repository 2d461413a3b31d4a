"""An authenticated light endpoint against the same without authentication on bare FastAPI, and beside it its peers."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import httpx

from bench.load import requests
from bench.processes import Server, module
from bench.report import measure, print_ratios

_CREDENTIALS = {"email": "bench@example.org", "password": "turnips sleep under violet lamps"}
CONNECTIONS = 32


def _signed_in(server: Server) -> dict[str, str]:
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        http.post("/auth/register", json=_CREDENTIALS).raise_for_status()
        token = http.post("/auth/login", json=_CREDENTIALS).raise_for_status().json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


def _issued(server: Server) -> dict[str, str]:
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        return {"Authorization": f"Bearer {http.get('/token').raise_for_status().json()}"}


def main(rounds: int = 7, count: int = 8_000) -> None:
    """Print the ratios. The slow ones get fewer requests: a rate needs no more of them."""
    with ExitStack() as stack:
        runs = {}
        for name, program, credentials, share in _CANDIDATES:
            server = stack.enter_context(module(*program))
            runs[name] = partial(requests, server, "/whoami", credentials(server), CONNECTIONS, int(count * share))
        measured = asyncio.run(measure(runs, rounds))
    print_ratios(f"Who am I, {CONNECTIONS} connections, median of {rounds} rounds", "request", measured)


_CANDIDATES: list[tuple[str, tuple[str, str], Callable[[Server], dict[str, str]], float]] = [
    ("bare FastAPI, no authentication", ("bench.apps", "bare"), lambda _: {}, 1),
    ("authkeep, CurrentPrincipal", ("bench.apps", "authkeep"), _signed_in, 1),
    ("... and a limit", ("bench.apps", "limited"), _signed_in, 1),
    ("... both by guarded, FastAPI route", ("bench.apps", "fastapi"), _signed_in, 1),
    ("... Starlette route", ("bench.apps", "starlette"), _signed_in, 1),
    ("tutorial, PyJWT", ("bench.auth_peers", "tutorial"), _issued, 0.5),
    ("AuthX", ("bench.auth_peers", "authx"), _issued, 0.25),
    ("fastapi-users, JWT and SQLite", ("bench.auth_peers", "fastapi_users"), _issued, 0.1),
]
