"""Answers relayed by /chat/send, and by the door for OpenAI's clients, with everything on, against a bare Starlette
pass-through of the same upstream.
"""

import asyncio
import json
import re
import resource
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from statistics import median, quantiles

import httpx
import uvloop

from bench.load import Measured, streams
from bench.processes import Server, chatkeep, module
from bench.report import measure, print_ratios
from bench.stream_load import Ask, Held, Target, first_tokens, hold

_PASSWORD = "turnips sleep under violet lamps"
# Nobody may have more streams open than 256, nor more answers under way than a quota says: 100, where none is set.
_PER_USER = 100
_SETTINGS = {
    "CHATKEEP_LIMIT_SEND": "1000000/second",
    "CHATKEEP_LIMIT_REGISTER": "1000000/second",
    "CHATKEEP_LIMIT_LOGIN": "1000000/second",
    "CHATKEEP_AUTO_TITLES": "false",
    # No waiting in line: what is compared has none.
    "CHATKEEP_CONCURRENT_ANSWERS": "100000",
    "CHATKEEP_CONCURRENT_ANSWERS_PER_USER": str(_PER_USER),
}
_TEXT = re.compile(rb'"text":"([^"]*)"')
_LATE_SECONDS = 0.25
_UPSTREAM, _PASS_THROUGH = "the upstream itself", "Starlette + httpx pass-through"
_SSE, _OPENAI = "httpx + sse-starlette", "Starlette + openai client"
_OURS, _OUR_DOOR = "chatkeep /chat/send", "chatkeep /v1/chat/completions"
_MANY = (1000, 2000, 4000)
_HELD = {
    _UPSTREAM: (4000,),
    _PASS_THROUGH: (250, 500, 1000),
    _SSE: (250, 500, 1000),
    _OPENAI: (250, 500),
    _OURS: _MANY,
    _OUR_DOOR: _MANY,
}


def _count_in_frames(data: bytes) -> int:
    return data.count(b'"content": "') + data.count(b'"content":"')


def _count_in_events(data: bytes) -> int:
    """An event may hold several tokens; each of the script's ends with a space."""
    return sum(text.count(b" ") for text in _TEXT.findall(data))


@dataclass(frozen=True, slots=True)
class _Stand:
    """The servers that are compared, all before the same upstream."""

    upstream: Server
    relay: Server
    sse: Server
    openai: Server
    ours: Server

    @property
    def targets(self) -> dict[str, Target]:
        return {
            _UPSTREAM: Target(self.upstream, "/v1/chat/completions", _count_in_frames),
            _PASS_THROUGH: Target(self.relay, "/relay", _count_in_frames),
            _SSE: Target(self.sse, "/relay", _count_in_frames),
            _OPENAI: Target(self.openai, "/relay", _count_in_frames),
            _OURS: Target(self.ours, "/chat/send", _count_in_events),
            _OUR_DOOR: Target(self.ours, "/v1/chat/completions", _count_in_frames),
        }

    def asks(self, name: str, message: str, count: int) -> list[Ask]:
        """Bodies for `count` streams at once: for chatkeep each in a chat of its own."""
        if name == _OURS:
            return _chats(self.ours, message, count)
        completion = {"model": "scripted", "stream": True, "messages": [{"role": "user", "content": message}]}
        body = json.dumps(completion).encode()
        if name == _OUR_DOOR:
            return [Ask(body, headers) for headers in _users(self.ours, count)]
        return [Ask(body, {})] * count


@contextmanager
def _stand(*upstream_options: str) -> Iterator[_Stand]:
    with ExitStack() as stack:
        upstream = stack.enter_context(module("chatkeep.llm.scripted_upstream", *upstream_options))
        relay = stack.enter_context(module("bench.apps", "relay", upstream.url))
        sse = stack.enter_context(module("bench.apps", "sse", upstream.url))
        openai = stack.enter_context(module("bench.apps", "openai", upstream.url))
        ours = stack.enter_context(chatkeep({**_SETTINGS, "CHATKEEP_LLM_BASE_URL": upstream.url}))
        yield _Stand(upstream, relay, sse, openai, ours)


def _users(server: Server, count: int) -> Iterator[dict[str, str]]:
    """The header fields of `count` requests, by as many users as it takes."""
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as http:
        for number in range(0, count, _PER_USER):
            credentials = {"email": f"bench{number}@example.org", "password": _PASSWORD}
            http.post("/auth/register", json=credentials)
            token = http.post("/auth/login", json=credentials).raise_for_status().json()["access_token"]
            yield from repeat({"Authorization": f"Bearer {token}"}, min(_PER_USER, count - number))


def _chats(server: Server, message: str, count: int) -> list[Ask]:
    """Messages to new chats."""
    asks: list[Ask] = []
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as http:
        for headers in _users(server, count):
            session = http.post("/chat/sessions", json={}, headers=headers).raise_for_status().json()
            asks.append(Ask(json.dumps({"session_id": session["id"], "message": message}).encode(), headers))
    return asks


def _compare(title: str, stand: _Stand, counts: dict[str, int], tokens: int, rounds: int) -> None:
    """Streams beside each other, to their ends."""
    message = f"[[tokens {tokens}]]"

    async def run(name: str, asks: Sequence[Ask]) -> Measured:
        target = stand.targets[name]
        return await streams(target.server, target.path, [ask.body for ask in asks], asks[0].headers, tokens)

    runs = {name: partial(run, name, stand.asks(name, message, count)) for name, count in counts.items()}
    print_ratios(f"{title}, median of {rounds} rounds", "token", asyncio.run(measure(runs, rounds)))


def _first_tokens(stand: _Stand, requests: int, at_once: int) -> None:
    """Ten at a time, taking turns, so that a busy moment is everybody's."""
    found: dict[str, list[float]] = {name: [] for name in stand.targets}
    asks = {name: stand.asks(name, "[[tokens 10]]", requests) for name in found}
    for start in range(-at_once * 2, requests, at_once):
        for name, target in stand.targets.items():
            part = asks[name][start : start + at_once] if start >= 0 else asks[name][:at_once]
            seconds = asyncio.run(first_tokens(target, part, at_once))
            found[name] += seconds if start >= 0 else []
    print(f"\nTime to the first token, {at_once} at a time, {requests} requests, in ms\n")
    print(f"  {'':34} {'median':>8} {'99th':>8} {'added':>8} {'added':>8}")
    bare = next(iter(found.values()))
    for name, seconds in found.items():
        half, late = median(seconds) * 1e3, quantiles(seconds, n=100)[98] * 1e3
        added = half - median(bare) * 1e3, late - quantiles(bare, n=100)[98] * 1e3
        print(f"  {name:34} {half:8.1f} {late:8.1f} {added[0]:8.1f} {added[1]:8.1f}")


def _hold(name: str, count: int, seconds: float) -> Held:
    with _stand("--rate", "2") as stand:
        asks = stand.asks(name, "[[tokens 1000]]", count)
        # Every microsecond of the load's is one that the machine does not have for what is measured.
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(hold(stand.targets[name], asks, 0.5, seconds))


def _held(seconds: float) -> None:
    """More and more streams, until they come late."""
    print("\nStreams of 2 tokens/s held by one process\n")
    print(f"  {'':34} {'streams':>8} {'late 50th':>10} {'99th, ms':>10} {'KiB each':>10} {'CPU':>6}")
    for name, counts in _HELD.items():
        for count in counts:
            held = _hold(name, count, seconds)
            late = quantiles(held.delays, n=100)[98]
            figures = f"{median(held.delays) * 1e3:10.1f} {late * 1e3:10.1f} {held.bytes_per_stream / 1024:10.1f}"
            print(f"  {name:34} {count:8} {figures} {held.cpu_share:6.2f}", flush=True)
            if late > _LATE_SECONDS:
                break


def main() -> None:
    """Print the ratios."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with _stand() as stand:
        many = {_PASS_THROUGH: 32, _SSE: 8, _OPENAI: 4, _OURS: 32, _OUR_DOOR: 32}
        _compare("Relay at saturation: streams of 2000 tokens", stand, many, 2000, rounds=5)
        _first_tokens(stand, requests=300, at_once=10)
    with _stand("--rate", "50") as stand:
        many = {_PASS_THROUGH: 100, _SSE: 60, _OPENAI: 30, _OURS: 100, _OUR_DOOR: 100}
        _compare("Relay at 50 tokens/s a stream: streams of 250 tokens", stand, many, 250, rounds=3)
    _held(seconds=8.0)
