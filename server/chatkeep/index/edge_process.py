"""Keeps the index's process running, and asks it: many requests at a time, each with an end to its patience."""

import asyncio
import contextlib
import logging
import os
import sys
from pathlib import Path
from typing import TypeVar

import msgspec

from chatkeep.index.edge_wire import Call, Greeting, Reply, Request, Update
from chatkeep.index.port import IndexSpec, IndexUnavailable
from chatkeep.processes.frames import frame
from chatkeep.processes.parent import end, receive, start

_log = logging.getLogger(__name__)

_MOST_WAITING = 512
_LONGEST_PAUSE = 30.0
# A process that served this long was not a failed start: the next pause begins at the shortest again.
_HEALTHY_AFTER = 60.0
# Closing it flushes, and may have to wait for an optimization.
_GRACE = 15.0

T = TypeVar("T")


class EdgeProcess:
    """Starts with the first request, and again when it dies. `pid` is None while it does not run.

    `look_seconds`, `update_seconds`: how long a request may take, with all that stands before it in the line; an update
    also waits for the disk. `hang_seconds`: a process that has been asked, and for so long has answered nobody, is
    replaced. On a slow disk it may be busy for a while.
    """

    def __init__(
        self,
        directory: Path,
        *,
        pause: float = 0.1,
        look_seconds: float = 10.0,
        update_seconds: float = 120.0,
        hang_seconds: float = 300.0,
    ) -> None:
        self._directory = directory
        self._first_pause = pause
        self._seconds = (look_seconds, update_seconds)
        self._hang_seconds = hang_seconds
        self._unanswered_since: float | None = None
        self._task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._unsent: list[bytes] = []
        self._waiting: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._last_id = 0
        self._why = "its process is starting"
        self._pausing = False
        self._closed = False

    @property
    def started(self) -> bool:
        """Whether anything has been asked yet."""
        return self._task is not None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def ask(self, index: IndexSpec | None, call: Call, answer: type[T]) -> T:
        """Send a request and wait for its answer.

        Raises:
            IndexUnavailable
        """
        try:
            async with asyncio.timeout(self._seconds[isinstance(call, Update)]):
                raw = await self._ask(index, call)
        except TimeoutError:
            self._replace_if_it_hangs()
            raise IndexUnavailable("The index takes too long to answer.") from None
        return msgspec.msgpack.decode(raw, type=answer)

    async def aclose(self) -> None:
        """End the process and wait until it is gone."""
        self._closed = True
        self._why = "it has been stopped"
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._fail_all()

    async def _ask(self, index: IndexSpec | None, call: Call) -> msgspec.Raw:
        if self._task is None and not self._closed:
            self._task = asyncio.create_task(self._keep_running(), name="index process")
        if len(self._waiting) >= _MOST_WAITING:
            raise IndexUnavailable("The index is busy: too many requests wait for it.")
        self._last_id += 1
        request = Request(self._last_id, index, call)
        answered: asyncio.Future[msgspec.Raw]
        answered = self._waiting[request.id] = asyncio.get_running_loop().create_future()
        try:
            self._send(frame(request))
            return await answered
        finally:
            del self._waiting[request.id]

    def _replace_if_it_hangs(self) -> None:
        now = asyncio.get_running_loop().time()
        silent = now - (self._unanswered_since or now)
        if self._process is not None and silent > self._hang_seconds:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def _send(self, message: bytes) -> None:
        """Into the pipe, or for the process that is being started. What can wait here is bounded by who may wait."""
        if self._closed or self._pausing:
            raise IndexUnavailable(f"The index does not answer: {self._why}.")
        self._unanswered_since = self._unanswered_since or asyncio.get_running_loop().time()
        if self._process is None or self._process.stdin is None:
            self._unsent.append(message)
        else:
            self._process.stdin.write(message)

    async def _keep_running(self) -> None:
        loop = asyncio.get_running_loop()
        pause = self._first_pause
        while True:
            started = loop.time()
            try:
                self._why = f"its process has ended (status {await self._run_once()}), and is started again"
            except OSError as error:
                self._why = f"its process cannot be started ({error.strerror})"
            except msgspec.MsgspecError:
                self._why = "its process does not speak our language"
            except _Refused as refusal:
                self._why = str(refusal)
            if loop.time() - started > _HEALTHY_AFTER:
                pause = self._first_pause
            _log.error("the index does not answer: %s; trying again in %.1f s", self._why, pause)
            self._pausing = True
            self._fail_all()
            await asyncio.sleep(pause)
            self._pausing = False
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _run_once(self) -> int:
        """One life of the process, from its start to its end.

        Raises:
            OSError: it could not be started.
            _Refused: it says why it cannot serve.
        """
        process = await start(sys.executable, "-m", "chatkeep.index.edge_worker")
        self._process, self._unanswered_since = process, None
        try:
            await self._follow(process)
            return await process.wait()
        finally:
            self._process = None
            await end(process, _GRACE)

    async def _follow(self, process: asyncio.subprocess.Process) -> None:
        """Hand out the process's replies until there are no more."""
        if process.stdin is None:
            raise AssertionError("it was asked for as a pipe")
        process.stdin.write(frame(Greeting(str(self._directory.absolute()), os.getpid())))
        process.stdin.writelines(self._unsent)
        self._unsent.clear()
        replies = msgspec.msgpack.Decoder(Reply)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                self._hand_out(replies.decode(await receive(process)))

    def _hand_out(self, reply: Reply) -> None:
        self._unanswered_since = None
        if reply.id == 0:
            raise _Refused(reply.error)
        waiting = self._waiting.get(reply.id)
        # Nobody waits any more for what came too late.
        if waiting is None or waiting.done():
            return
        if reply.error is None:
            waiting.set_result(reply.value)
        else:
            waiting.set_exception(IndexUnavailable(f"The index failed: {reply.error}."))

    def _fail_all(self) -> None:
        self._unsent.clear()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(IndexUnavailable(f"The index does not answer: {self._why}."))


class _Refused(Exception):
    """The process says that it cannot serve, and why."""
