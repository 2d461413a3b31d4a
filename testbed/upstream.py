"""The scripted OpenAI-compatible endpoint over a socket, in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def running_upstream(*options: str) -> Iterator[str]:
    """Run it; yields its base URL. See `python -m chatkeep.llm.scripted_upstream --help` for the options."""
    command = [sys.executable, "-m", "chatkeep.llm.scripted_upstream", "--until-eof", *options]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(timeout=10)
        process.stdout.close()
