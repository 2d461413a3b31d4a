"""An authenticated light endpoint against the same endpoint without authentication on bare FastAPI."""

import asyncio
from contextlib import ExitStack
from functools import partial

import httpx

from bench.load import requests
from bench.processes import Server, module
from bench.report import measure, print_ratios

_CREDENTIALS = {"email": "bench@example.org", "password": "turnips sleep under violet lamps"}
CONNECTIONS = 32


def _token(server: Server) -> dict[str, str]:
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        http.post("/auth/register", json=_CREDENTIALS).raise_for_status()
        token = http.post("/auth/login", json=_CREDENTIALS).raise_for_status().json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


def main(rounds: int = 7, count: int = 16_000) -> None:
    """Print the ratios."""
    with ExitStack() as stack:
        bare = stack.enter_context(module("bench.apps", "bare"))
        asked = stack.enter_context(module("bench.apps", "authkeep"))
        guarded = stack.enter_context(module("bench.apps", "guarded"))
        candidates = {
            "bare FastAPI, no authentication": (bare, {}),
            "authkeep, FastAPI dependency": (asked, _token(asked)),
            "authkeep, guarded Starlette route": (guarded, _token(guarded)),
        }

        runs = {
            name: partial(requests, server, "/whoami", headers, CONNECTIONS, count)
            for name, (server, headers) in candidates.items()
        }
        measured = asyncio.run(measure(runs, rounds))
    print_ratios(f"Who am I, {CONNECTIONS} connections, median of {rounds} rounds", "request", measured)
