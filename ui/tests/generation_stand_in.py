"""The stand-in's answers: written word by word whoever watches, and followed by their events."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Pace:
    """Levers. `pace` is in seconds per word; `queued` are the positions announced before the first."""

    answer: str
    pace: float = 0.03
    ending: str = "generation.completed"
    reasoning: str = ""
    queued: list[int] = field(default_factory=list)
    frames_per_response: int = 1_000_000
    log_gone: bool = False


@dataclass
class Generation:
    id: str
    owner: str
    message: dict[str, Any]
    frames: list[dict[str, Any]] = field(default_factory=list)
    stopped: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, kind: str, **data: Any) -> None:
        self.frames.append({"type": kind, "seq": len(self.frames) + 1, "generation_id": self.id} | data)
        self.changed.set()
        self.changed = asyncio.Event()

    async def write(self, levers: Pace) -> None:
        self.add("generation.created")
        for position in levers.queued:
            self.add("generation.queued", position=position)
            await asyncio.sleep(levers.pace * 10)
        for word in levers.reasoning.split():
            await asyncio.sleep(levers.pace)
            self.message["reasoning"] = (self.message["reasoning"] or "") + word + " "
            self.add("reasoning.delta", text=word + " ")
        for word in levers.answer.split(" "):
            await asyncio.sleep(levers.pace)
            if self.stopped:
                return self.end("generation.stopped")
            self.message["content"] += word + " "
            self.add("message.delta", text=word + " ")
        error = {"code": "upstream", "message": "The model service closed the connection.", "retryable": True}
        return self.end(levers.ending, **(error if levers.ending == "generation.failed" else {}))

    def end(self, kind: str, **data: Any) -> None:
        self.message |= {"status": kind.removeprefix("generation."), "generation_id": None, "error": data or None}
        self.add(kind, **data)

    async def read(self, after: int, most: int) -> AsyncIterator[str]:
        until = after + most
        while after < until:
            changed = self.changed
            for frame in self.frames[after:until]:
                after = frame["seq"]
                yield f"id: {frame['seq']}\nevent: {frame['type']}\ndata: {json.dumps(frame)}\n\n"
            if self.message["status"] != "running":
                return
            await changed.wait()
