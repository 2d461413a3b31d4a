"""What readers have been told of an answer, piece by piece and wherever they read it, held against what was written."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import httpx
from httpx_sse import connect_sse

from testbed.people import Person

TERMINAL = ("completed", "stopped", "failed", "interrupted")


@dataclass
class Answer:
    """What one reader has been told of an answer."""

    chat: str
    question: str
    ids: dict[str, str] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)

    def hear(self, event: dict[str, Any]) -> None:
        self.ids = self.ids or {key: event[key] for key in ("generation_id", "message_id", "user_message_id")}
        self.events.append(event)

    @property
    def seq(self) -> int:
        return int(self.events[-1]["seq"]) if self.events else 0

    @property
    def end(self) -> str | None:
        kind = self.events[-1]["type"].removeprefix("generation.") if self.events else ""
        return kind if kind in TERMINAL else None

    def assert_whole(self, content: str, *, may_lose: bool = False) -> None:
        """Numbers are exact, text never goes back but for what a crash took, and the end stands at the end alone."""
        text = ""
        for before, event in pairwise([{"seq": 0}, *self.events]):
            if event["type"] == "message.snapshot":
                assert event["seq"] > before["seq"]
                assert event["text"].startswith(text) or (may_lose and text.startswith(event["text"]))
                text = event["text"]
            else:
                assert event["seq"] == before["seq"] + 1
                text += event.get("text", "")
        ends = [event for event in self.events if event["type"].removeprefix("generation.") in TERMINAL]
        assert ends == self.events[-1:]
        assert text == content


def resume(person: Person, answer: Answer) -> None:
    """Behind the last event, to the end."""
    for event in person.follow(answer.ids["generation_id"], after=answer.seq):
        answer.hear(event)


def follow_through(person: Person, answer: Answer) -> None:
    """To the end, whatever is cut or dies on the way: again and again behind the last event that was heard."""
    path = f"/chat/generations/{answer.ids['generation_id']}/events"
    while answer.end is None:
        try:
            with connect_sse(person.http, "GET", path, headers={"Last-Event-ID": str(answer.seq)}) as source:
                if source.response.status_code == 503:
                    continue
                for event in source.iter_sse():
                    answer.hear(event.json())
        except httpx.TransportError:
            continue


def at(url: str, person: Person) -> Person:
    """The same person, at another address."""
    there = Person(url, "same")
    there.http.headers = person.http.headers
    return there
