"""The process that holds the embedded indexes of a data directory: one of them at a time, and one thread in it.

The engine holds the interpreter's lock in every call, for seconds when it optimizes: in the server it would stop every
stream. It reads requests from standard input and answers on standard output (`edge_wire`). What reads is done before
what writes. All that has been asked to write meanwhile shares one flush, and is acknowledged after it.

It must never outlive its parent. On Linux the kernel kills it with the parent; everywhere, standard input ends when
the parent is gone. Killed at any moment, it has lost nothing that it acknowledged.
"""

import os
import re
import select
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from chatkeep.index.edge_shard import EdgeShard
from chatkeep.index.edge_shelf import Shelf, ShelfUnusable
from chatkeep.index.edge_wire import (
    Call,
    Count,
    Delete,
    Drop,
    Greeting,
    ListSpecs,
    Page,
    Ping,
    Put,
    Reply,
    Request,
    Restore,
    Scroll,
    Search,
    Update,
    take_frames,
)
from chatkeep.index.port import IndexSpec
from chatkeep.processes.child import die_with, keep_output
from chatkeep.processes.frames import frame

_READ_BYTES = 1 << 20
# Optimized when nobody has asked for anything this long, or when so many points wait for it.
_IDLE_SECONDS = 1.0
_MANY_POINTS = 20_000
# Nobody waits for more than these, and what came before them.
_MOST_TOGETHER = 64


def main() -> None:
    """Serve until standard input ends."""
    write = keep_output()

    def reply(message: Reply) -> None:
        write(frame(message))

    inbox = Inbox(0)
    greeting = inbox.greeting()
    die_with(greeting.parent)
    try:
        shelf = Shelf(Path(greeting.directory))
    except ShelfUnusable as error:
        reply(Reply(0, str(error)))
        sys.exit(1)
    Worker(shelf, reply).serve(inbox)


class Worker:
    """Answers the requests of one server. `reply` sends."""

    def __init__(self, shelf: Shelf, reply: Callable[[Reply], None]) -> None:
        self._shelf = shelf
        self._reply = reply
        self._changed = 0

    def serve(self, inbox: "Inbox") -> None:
        """Until there is nobody to serve."""
        while True:
            requests = inbox.take(_IDLE_SECONDS if self._changed else None)
            if requests is None:
                break
            updates = [request for request in requests if isinstance(request.call, Update)]
            for request in requests:
                if not isinstance(request.call, Update):
                    self._answer(request, self._look)
            self._update(updates)
            if self._changed > _MANY_POINTS or (self._changed and not requests):
                self._optimize()
        self._shelf.close()

    def _answer(self, request: Request, act: Callable[[Request], Any]) -> None:
        try:
            value = msgspec.Raw(msgspec.msgpack.encode(act(request)))
        except Exception as error:  # noqa: BLE001 - the engine raises nothing finer
            self._reply(Reply(request.id, reason(error)))
        else:
            self._reply(Reply(request.id, None, value))

    def _look(self, request: Request) -> Any:
        match request.call:
            case ListSpecs():
                return self._shelf.list_specs()
            case Drop():
                return self._shelf.drop(_named(request))
        shard = self._shelf.open(_named(request))
        match request.call:
            case Search(scope, text, dense, limit):
                return shard.search(scope, text, dense, limit)
            case Count(scope):
                return shard.count(scope)
            case Scroll(after, limit, weights):
                return Page(*shard.scroll(after, limit, weights=weights))
            case Ping():
                return None

    def _update(self, requests: list[Request]) -> None:
        done: list[tuple[Request, EdgeShard]] = []
        for request in requests:
            try:
                shard = self._shelf.open(_named(request))
                self._changed += _apply(shard, request.call)
            except Exception as error:  # noqa: BLE001 - the engine raises nothing finer
                self._reply(Reply(request.id, reason(error)))
            else:
                done.append((request, shard))
        try:
            for shard in {id(shard): shard for _, shard in done}.values():
                shard.flush()
        except Exception as error:
            for request, _ in done:
                self._reply(Reply(request.id, reason(error)))
            # What is in memory and what is on the disk may differ now; the next process reads the disk.
            raise
        for request, _ in done:
            self._reply(Reply(request.id, None))

    def _optimize(self) -> None:
        self._changed = 0
        for shard in self._shelf.opened():
            shard.optimize()


def _apply(shard: EdgeShard, call: Call) -> int:
    """Carry out an update, and say how much there is to optimize."""
    match call:
        case Put(tenant, points):
            shard.restore([shard.weigh(tenant, point) for point in points])
            return len(points)
        case Restore(points):
            shard.restore(points)
            return len(points)
        case Delete(scope):
            shard.delete(scope)
            return 1
        case _:
            raise AssertionError("what only looks is not applied")


def _named(request: Request) -> IndexSpec:
    if request.index is None:
        raise ValueError("the request names no index")
    return request.index


def reason(error: Exception) -> str:
    """What an operator can act upon. The engine's own words would tell paths, and sometimes what was stored."""
    if isinstance(error, ShelfUnusable):
        return str(error)
    code = error.errno if isinstance(error, OSError) else None
    if found := re.search(r"os error (\d+)", str(error)):
        code = int(found[1])
    return os.strerror(code) if code else "the engine refused it"


class Inbox:
    """Whole requests, as they come through a pipe."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._buffer = bytearray()
        self._requests = msgspec.msgpack.Decoder(Request)

    def greeting(self) -> Greeting:
        """The first frame.

        Raises:
            SystemExit: nobody is there.
        """
        while True:
            for body in take_frames(self._buffer):
                return msgspec.msgpack.decode(body, type=Greeting)
            if not self._read():
                sys.exit(0)

    def take(self, seconds: float | None) -> list[Request] | None:
        """All that has been asked; none when nothing comes for so many seconds, None when nobody is there any more."""
        requests: list[Request] = []
        while True:
            requests += [self._requests.decode(body) for body in take_frames(self._buffer)]
            if len(requests) >= _MOST_TOGETHER:
                return requests
            ready, _, _ = select.select([self._fd], [], [], 0.0 if requests else seconds)
            if not ready:
                return requests
            if not self._read():
                # What was asked before the end is done; it comes again with the next call.
                return requests or None

    def _read(self) -> bool:
        block = os.read(self._fd, _READ_BYTES)
        self._buffer += block
        return bool(block)


if __name__ == "__main__":
    main()
