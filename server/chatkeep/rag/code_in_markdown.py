"""Whether a place in a Markdown text that is still being written is within code (CommonMark 0.31, 4.5 and 6.1)."""

import re

# What may stand before a fence: indentation, and the marks of quotes and lists.
_MARKERS = re.compile(r"[\s>*+\-\d.)]*")
_FENCE = 3


class CodeInMarkdown:
    """Takes the text in pieces: runs of "`" or of "~", line breaks, and what is between them.

    Where it cannot be told yet, such as after a "`" that may never be closed, it is taken for code.
    """

    def __init__(self) -> None:
        self._fence = ""
        self._inline = 0
        self._run = ""
        self._run_opens_line = False
        self._line = ""
        self._opened_on_this_line = False
        self._may_close = False

    @property
    def inside(self) -> bool:
        """Whether what comes next is in code, unless it goes on with a run."""
        self._settle()
        return bool(self._fence or self._inline)

    @property
    def opens_line(self) -> bool:
        """Whether the line has nothing but marks of lists and quotes so far."""
        return _MARKERS.fullmatch(self._line) is not None

    @property
    def indentation(self) -> int:
        """Of the line, in characters."""
        return len(self._line) - len(self._line.lstrip(" \t"))

    def take(self, piece: str) -> None:
        """The next piece; a run may come in several."""
        if piece == "\n":
            self._end_line()
        elif piece[0] in "`~":
            if self._run and self._run[0] != piece[0]:
                self._settle()
            if not self._run:
                self._run_opens_line = self.opens_line
            self._run += piece
        else:
            self._settle()
            self._may_close = self._may_close and piece.isspace()
        # What a line begins with is all that is asked of it.
        if piece != "\n" and len(self._line) < _LOOKED_AT:
            self._line += piece

    def _end_line(self) -> None:
        self._settle()
        if self._may_close:
            self._fence = ""
        elif self._inline and not self._line.strip():
            # A paragraph ends, and with it what was opened in it.
            self._inline = 0
        self._line, self._opened_on_this_line, self._may_close = "", False, False

    def _settle(self) -> None:
        """A run has ended: what was it?"""
        run, self._run = self._run, ""
        if not run:
            return
        if self._fence:
            if self._opened_on_this_line and self._fence[0] == run[0] == "`":
                # No fence has these in its first line: it was code within a line.
                self._inline = 0 if len(run) == len(self._fence) else len(self._fence)
                self._fence = ""
            else:
                self._may_close = self._run_opens_line and run.startswith(self._fence)
        elif self._inline:
            if run[0] == "`" and len(run) == self._inline:
                self._inline = 0
        elif len(run) >= _FENCE and self._run_opens_line:
            self._fence, self._opened_on_this_line = run, True
        elif run[0] == "`" and not self._line.endswith("\\`"):
            self._inline = len(run)


_LOOKED_AT = 200
