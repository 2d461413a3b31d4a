"""What happens to a test whose server or browser cannot be had on this machine."""

import os
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")

LEFT_OUT = "left out: "


class Unavailable(Exception):
    """A thing that tests need is not on this machine. The message says what is missing and how to get it."""


def on_ci() -> bool:
    """Whether this run is the one that counts: it may leave no test out."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


def obtain(find: Callable[[], T]) -> T:
    """The thing that `find` finds; without it the asking test is left out, and on CI it fails."""
    try:
        return find()
    except Unavailable as unavailable:
        why = str(unavailable)
    if on_ci():
        pytest.fail(f"{why} (CI leaves no test out)", pytrace=False)
    pytest.skip(f"{LEFT_OUT}{why}")


def report(terminal: pytest.TerminalReporter) -> None:
    """Name every test that was left out, loudly, at the end of the run."""
    reasons: dict[str, list[str]] = {}
    for skipped in terminal.stats.get("skipped", []):
        text = skipped.longrepr[2] if isinstance(skipped.longrepr, tuple) else str(skipped.longrepr)
        _, mark, why = text.partition(LEFT_OUT)
        if mark:
            reasons.setdefault(why, []).append(skipped.nodeid)
    if not reasons:
        return
    terminal.section("TESTS LEFT OUT: this run proves less than it could", sep="!", red=True, bold=True)
    for why, tests in reasons.items():
        terminal.line(f"{why}  [{len(tests)} left out]", red=True)
        for test in tests:
            terminal.line(f"    {test}")
