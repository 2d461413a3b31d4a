"""Follows an answer while it is written: /chat/generations/{id}/events, with exact resume.

Streamlit can only interrupt its script between two commands of the page, so nothing here may block: the events are read
on an event loop of the script's own thread, which runs for a moment, yields what there is, and runs again.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import httpx_sse

from chatkeep_ui.api_client import ApiClient
from chatkeep_ui.problem import Unreachable, raise_for_problem
from chatkeep_ui.sources import Source, read_sources

# The server sends an event at least every 15 seconds.
_TIMEOUT = httpx.Timeout(40.0, connect=5.0)
_MOST_ATTEMPTS = 8
_ENDINGS = {
    "generation.completed": "completed",
    "generation.stopped": "stopped",
    "generation.failed": "failed",
    "generation.interrupted": "interrupted",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer so far. `status` is as in a message; `position` is the place in the queue, 0 when it is not waiting;
    `sources` are the passages that it may cite, None where no documents are asked.
    """

    text: str = ""
    status: str = "running"
    position: int = 0
    error: str = ""
    reasoning: str = ""
    sources: tuple[Source, ...] | None = None

    def after(self, kind: str, data: dict[str, Any]) -> "Answer":
        """What an event makes of it. Unknown events change nothing."""
        change: dict[str, Any]
        match kind:
            case "message.delta":
                change = {"text": self.text + str(data.get("text", "")), "status": "running", "position": 0}
            case "reasoning.delta":
                change = {"reasoning": self.reasoning + str(data.get("text", "")), "status": "running", "position": 0}
            case "message.snapshot":
                change = {"text": str(data.get("text", "")), "reasoning": str(data.get("reasoning") or self.reasoning)}
            case "retrieval.completed":
                change = {"sources": read_sources(data.get("sources"))}
            case "generation.queued":
                change = {"status": "queued", "position": int(data.get("position") or 0)}
            case _ if kind in _ENDINGS:
                change = {"status": _ENDINGS[kind], "error": str(data.get("message") or "")}
            case _:
                change = {}
        return replace(self, **change)


def follow(
    client: Callable[[], ApiClient], generation_id: str, every: Callable[[], float]
) -> Generator[Answer, None, None]:
    """Yield the answer as it stands, at intervals of `every()` seconds until it has ended; also when nothing is new.

    The last one has an ending as its status, or is still `running` when its events are no longer held: then the message
    itself tells how it ended. `client` is asked again after each break, since tokens expire.

    Raises:
        SignInEnded, NotThere, ApiRefused, Unreachable: as in `problem.py`.
    """
    following = _Following(client, generation_id)
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        reading = runner.get_loop().create_task(following.read_all())
        while not reading.done():
            runner.run(_for_a_moment(reading, every()))
            yield following.answer
        reading.result()


async def _for_a_moment(reading: asyncio.Task[None], seconds: float) -> None:
    await asyncio.wait({reading}, timeout=seconds)


class _Following:
    def __init__(self, client: Callable[[], ApiClient], generation_id: str) -> None:
        self.answer = Answer()
        self._client = client
        self._path = f"/chat/generations/{generation_id}/events"
        self._last_seq = 0

    async def read_all(self) -> None:
        """Read to the end, through as many breaks as it takes."""
        attempts = 0
        while attempts < _MOST_ATTEMPTS:
            before = self._last_seq
            try:
                if await self._read_some():
                    return
            except (httpx.HTTPError, ServerBusy):
                attempts += 1
            else:
                attempts += 1
            if self._last_seq > before:
                attempts = 0
            await asyncio.sleep(min(5.0, 0.2 * 2**attempts))
        raise Unreachable

    async def _read_some(self) -> bool:
        """Read one response; True when there is nothing more to read."""
        async with self._events() as events:
            if events is None:
                return True
            async for event in events:
                self._last_seq = max(self._last_seq, int(event.id) if event.id.isdigit() else 0)
                self.answer = self.answer.after(event.event, json.loads(event.data))
                if event.event in _ENDINGS:
                    return True
        return False

    @asynccontextmanager
    async def _events(self) -> AsyncIterator[AsyncIterator[httpx_sse.ServerSentEvent] | None]:
        client = self._client()
        connection = client.connection
        headers = connection.headers | client.headers | {"Last-Event-ID": str(self._last_seq)}
        async with (
            httpx.AsyncClient(
                base_url=connection.url, timeout=_TIMEOUT, trust_env=False, verify=connection.tls
            ) as http,
            httpx_sse.aconnect_sse(http, "GET", self._path, headers=headers) as source,
        ):
            if source.response.status_code in (httpx.codes.NO_CONTENT, httpx.codes.GONE):
                yield None
                return
            if not source.response.is_success:
                await source.response.aread()
                _raise_unless_passing(source.response)
            yield source.aiter_sse()


class ServerBusy(Exception):
    """A refusal that passes: ask again."""


def _raise_unless_passing(response: httpx.Response) -> None:
    if response.status_code in (429, 502, 503, 504):
        raise ServerBusy
    raise_for_problem(response)
