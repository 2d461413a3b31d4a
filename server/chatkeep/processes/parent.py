"""The server's end of a process that it has started."""

import asyncio
import contextlib
import os
from asyncio.subprocess import DEVNULL, PIPE, Process

from chatkeep.processes.frames import LENGTH_BYTES

# What a library or the tests' coverage needs. Everything else may be a secret.
_KEPT = ("PATH", "LANG", "LC_", "TZ", "TMPDIR", "PYTHON", "COVERAGE_", "LD_LIBRARY_PATH", "CUDA_", "SYSTEMROOT")


async def start(*command: str, variables: dict[str, str] | None = None) -> Process:
    """Run a command with pipes to its standard input and output.

    Raises:
        OSError: it cannot be started.
    """
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=PIPE,
        stdout=PIPE,
        # What a library logs can hold what people wrote.
        stderr=DEVNULL,
        env={name: value for name, value in os.environ.items() if name.startswith(_KEPT)} | (variables or {}),
        # Ctrl-C in a terminal goes to the whole group; what is under way shall be finished or saved first.
        start_new_session=True,
    )


async def send(process: Process, message: bytes) -> None:
    """To its standard input.

    Raises:
        ConnectionError: it is gone.
    """
    if process.stdin is None:
        raise AssertionError("it was asked for as a pipe")
    process.stdin.write(message)
    await process.stdin.drain()


async def receive(process: Process) -> bytes:
    """The next frame's body, from its standard output.

    Raises:
        asyncio.IncompleteReadError: it is gone.
    """
    if process.stdout is None:
        raise AssertionError("it was asked for as a pipe")
    length = int.from_bytes(await process.stdout.readexactly(LENGTH_BYTES), "big")
    return await process.stdout.readexactly(length)


async def end(process: Process, grace: float) -> None:
    """Close its standard input, by which it ends; one that is deaf to that for `grace` seconds is killed."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(grace):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
