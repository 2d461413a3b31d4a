"""Reads documents without trusting them: each in a process of its own, which can do little and lives only so long."""

import asyncio
import contextlib
import logging
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path, PurePath

import msgspec

from chatkeep.parsing.child import Outcome, Request
from chatkeep.parsing.chunks import ParsedDocument, Unreadable
from chatkeep.parsing.limits import Limits
from chatkeep.parsing.refusals import damaged, too_large, took_too_long

_log = logging.getLogger(__name__)

_ENDING = re.compile(r"\.([a-z0-9]{1,10})")
_PIECE = 2**18
# All that the process gets to know of its surroundings. No secrets, no proxies.
_ENVIRONMENT = {"LANG": "C.UTF-8", "TOKENIZERS_PARALLELISM": "false"}
_NOT_STARTED = 1


async def parse(path: Path, filename: str, limits: Limits | None = None) -> ParsedDocument:
    """The document at `path`, which its owner calls `filename`.

    How many run at once is the caller's to decide; each may take `limits.memory_bytes`. Cancelled, it ends the process.

    Raises:
        Unreadable: with a code and a message for the owner; whatever the file does.
        OSError: the file cannot be opened, or the process does not start; this is not the document's fault.
    """
    limits = limits or Limits()
    ending = _ENDING.fullmatch(PurePath(filename).suffix.lower())
    request = Request(ending[1] if ending else "", limits, os.getpid())
    try:
        async with asyncio.timeout(limits.seconds), _process(path, request) as process:
            encoded = await _result(process, limits)
            status = await process.wait()
    except TimeoutError:
        raise took_too_long() from None
    return _document(encoded, status)


@contextlib.asynccontextmanager
async def _process(path: Path, request: Request) -> AsyncIterator[asyncio.subprocess.Process]:
    """The process that reads the file; gone, with all that it started, at the end."""
    # Not in a thread: cancelled in between, nobody would close it. It is a file of ours, and opened at once.
    with path.open("rb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-IB",  # it sees neither PYTHON... variables nor the working directory, and writes no bytecode
            "-m",
            "chatkeep.parsing.child",
            msgspec.json.encode(request).decode(),
            stdin=file,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # it could hold what people wrote
            env=_ENVIRONMENT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _result(process: asyncio.subprocess.Process, limits: Limits) -> bytes:
    """What the process sends back, whole.

    Raises:
        Unreadable
    """
    if process.stdout is None:
        raise AssertionError("it was asked for as a pipe")
    encoded = bytearray()
    while piece := await process.stdout.read(_PIECE):
        encoded += piece
        if len(encoded) > limits.result_bytes:
            raise too_large("It has more text")
    return bytes(encoded)


def _document(encoded: bytes, status: int) -> ParsedDocument:
    """What the process said, or why it said nothing.

    Raises:
        Unreadable
        OSError
    """
    if status == -signal.SIGXCPU:
        raise took_too_long()
    if status == _NOT_STARTED:
        raise OSError("the process that reads documents does not start: is it all installed, its tokenizer too?")
    try:
        outcome = msgspec.msgpack.decode(encoded, type=Outcome)
    except msgspec.MsgspecError:
        _log.warning("reading a document ended the process for it (status %d)", status)
        raise damaged("the program that reads it broke off") from None
    if outcome.refusal:
        if outcome.refusal.raised:
            _log.warning("reading a document raised %r", outcome.refusal.raised[:100])
        raise Unreadable(outcome.refusal.code, outcome.refusal.message)
    if outcome.document is None:
        raise damaged()
    return outcome.document
