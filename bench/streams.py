"""Answers relayed by /chat/send, with everything on, against a bare Starlette pass-through of the same upstream."""

import asyncio
import json
from contextlib import ExitStack
from functools import partial

import httpx

from bench.load import streams
from bench.processes import Server, chatkeep, module
from bench.report import measure, print_ratios

_CREDENTIALS = {"email": "bench@example.org", "password": "turnips sleep under violet lamps"}


class _Chats:
    """A user of the chat server with a session for each stream."""

    def __init__(self, server: Server, concurrency: int) -> None:
        with httpx.Client(base_url=server.url, trust_env=False, timeout=30) as http:
            http.post("/auth/register", json=_CREDENTIALS).raise_for_status()
            token = http.post("/auth/login", json=_CREDENTIALS).raise_for_status().json()["access_token"]
            self.headers = {"Authorization": f"Bearer {token}"}
            made = [http.post("/chat/sessions", json={}, headers=self.headers) for _ in range(concurrency)]
        self.sessions = [response.raise_for_status().json()["id"] for response in made]

    def bodies(self, message: str) -> list[bytes]:
        return [json.dumps({"session_id": session, "message": message}).encode() for session in self.sessions]


def _compare(title: str, upstream_options: list[str], concurrency: int, tokens: int, rounds: int) -> None:
    message = f"[[tokens {tokens}]]"
    completion = {"model": "scripted", "stream": True, "messages": [{"role": "user", "content": message}]}
    relay_bodies = [json.dumps(completion).encode()] * concurrency
    with ExitStack() as stack:
        upstream = stack.enter_context(module("chatkeep.llm.scripted_upstream", *upstream_options))
        relay = stack.enter_context(module("bench.apps", "relay", upstream.url))
        settings = {"CHATKEEP_LLM_BASE_URL": upstream.url, "CHATKEEP_LIMIT_SEND": "1000000/second"}
        server = stack.enter_context(chatkeep(settings))
        chats = _Chats(server, concurrency)

        bodies = chats.bodies(message)
        runs = {
            "Starlette + httpx pass-through": partial(streams, relay, "/relay", relay_bodies, {}, tokens),
            "chatkeep /chat/send": partial(streams, server, "/chat/send", bodies, chats.headers, tokens),
        }
        measured = asyncio.run(measure(runs, rounds))
    print_ratios(f"{title}: {concurrency} streams of {tokens} tokens, median of {rounds} rounds", "token", measured)


def main() -> None:
    """Print the ratios."""
    _compare("Relay at saturation", [], concurrency=32, tokens=2000, rounds=5)
    _compare("Relay at 50 tokens/s a stream", ["--rate", "50"], concurrency=100, tokens=250, rounds=3)
