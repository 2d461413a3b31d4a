"""Keeps the built-in model's process running: starts it, follows its progress, starts it again when it dies."""

import asyncio
import contextlib
import dataclasses
import json
import logging
import os
import secrets
import sys
from collections.abc import Callable

from chatkeep.llm.llama_process import LlamaConfig
from chatkeep.processes.parent import end, start

_log = logging.getLogger(__name__)

_LONGEST_PAUSE = 60.0
# A process that served this long was not a failed start: the next pause begins at the shortest again.
_HEALTHY_AFTER = 60.0
_GRACE = 2.0


@dataclasses.dataclass(frozen=True, slots=True)
class Listening:
    """Where the process listens, and the key it demands."""

    url: str
    api_key: str
    pid: int


class LlamaSupervisor:
    """Runs one process at a time. `progress` is 0 to 1; `failed_starts` counts those since it last served.

    `on_change` is called with where it listens, and with None when it no longer does.
    """

    def __init__(
        self, config: LlamaConfig, on_change: Callable[[Listening | None], None], *, pause: float = 1.0
    ) -> None:
        self._config = config
        self._on_change = on_change
        self._first_pause = pause
        self._task: asyncio.Task[None] | None = None
        self.progress = 0.0
        self.failed_starts = 0

    def start(self) -> None:
        """Begin in the background; further calls do nothing."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep_running(), name="built-in model")

    async def aclose(self) -> None:
        """End the process and wait until it is gone."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _keep_running(self) -> None:
        loop = asyncio.get_running_loop()
        pause = self._first_pause
        while True:
            started = loop.time()
            try:
                status = str(await self._run_once())
            except (OSError, ValueError) as error:  # it cannot be started, or its reports are not ours
                status = f"{type(error).__name__}: {error}"
            if loop.time() - started > _HEALTHY_AFTER:
                pause = self._first_pause
            _log.error("the built-in model's process ended (status %s); starting it again in %.0f s", status, pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _run_once(self) -> int:
        """One life of the process, from its start to its end.

        Raises:
            OSError: it could not be started.
        """
        self.progress = 0.0
        config = dataclasses.replace(self._config, api_key=secrets.token_urlsafe(32), parent=os.getpid())
        process = await start(sys.executable, "-m", "chatkeep.llm.llama_process")
        try:
            await self._follow(process, config)
            return await process.wait()
        finally:
            self._on_change(None)
            await end(process, _GRACE)

    async def _follow(self, process: asyncio.subprocess.Process, config: LlamaConfig) -> None:
        """Read the process's reports until there are no more."""
        if process.stdin is None or process.stdout is None:
            raise AssertionError("both were asked for as pipes")
        self.failed_starts += 1
        process.stdin.write(json.dumps(dataclasses.asdict(config)).encode() + b"\n")
        async for line in process.stdout:
            report = json.loads(line)
            if "url" in report:
                self.progress = 1.0
                self.failed_starts = 0
                self._on_change(Listening(report["url"], config.api_key, process.pid))
            elif "error" in report:
                _log.error("the built-in model could not be loaded: %s", report["error"])
            else:
                self.progress = report["progress"]
