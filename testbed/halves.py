"""`python -m testbed.halves`: all tests, in two processes side by side.

One half drives servers, databases and a browser, and mostly waits for them; the other mostly computes. On two cores the
two take little longer than the longer one alone. Lines of progress appear as they come, and what each half has to say
at its end in one piece.
"""

import subprocess
import sys
import threading
from collections.abc import Iterator

_DRIVING = ["tests/journeys", "ui/tests/browser"]
_HALVES = [
    _DRIVING,
    ["auth/tests", "server/tests", "ui/tests", "tests", *(f"--ignore={folder}" for folder in _DRIVING)],
]
_NO_TESTS_LEFT = 5


class _Half:
    """One pytest, and the thread that reads what it prints."""

    def __init__(self, arguments: list[str], printing: threading.Lock) -> None:
        self._printing = printing
        color = ["--color=yes"] if sys.stdout.isatty() else []
        command = [sys.executable, "-m", "pytest", *color, *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._thread = threading.Thread(target=self._relay)
        self._thread.start()

    def wait(self) -> int:
        """Pytest's exit status, when all of its output has been printed."""
        self._thread.join()
        return self._process.wait()

    def _relay(self) -> None:
        assert self._process.stdout is not None
        lines = iter(self._process.stdout)
        for line in _progress(lines):
            self._print(line)
        self._print("".join(lines))

    def _print(self, text: str) -> None:
        with self._printing:
            sys.stdout.write(text)
            sys.stdout.flush()


def _progress(lines: Iterator[str]) -> Iterator[str]:
    """Up to the rule that begins the report; the first rule begins the session."""
    rules = 0
    for line in lines:
        yield line
        rules += line.startswith("====")
        if rules > 1:
            return


def main() -> int:
    """Returns the exit status: of the first half that failed."""
    printing = threading.Lock()
    halves = [_Half([*half, *sys.argv[1:]], printing) for half in _HALVES]
    statuses = [half.wait() for half in halves]
    return next((status for status in statuses if status not in (0, _NO_TESTS_LEFT)), min(statuses))


if __name__ == "__main__":
    sys.exit(main())
