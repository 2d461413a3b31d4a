"""The real `oidc-provider` from npm, in a process of its own, with one client and accounts that need no password."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.node import Node

CLIENT_ID = "chatkeep"
CLIENT_SECRET = "a secret of this test, long enough"
_SCRIPT = Path(__file__).with_suffix(".mjs")


@contextmanager
def running_oidc_provider(node: Node, *redirect_uris: str) -> Iterator[str]:
    """Run it; yields its issuer. A browser whose cookie says `who=alice` is signed in there as alice."""
    process = subprocess.Popen(
        node.command(_SCRIPT, *redirect_uris),
        cwd=node.directory,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(timeout=10)
        process.stdout.close()
