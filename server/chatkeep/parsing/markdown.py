"""Markdown stays as it is written: a model reads it so. What is looked for are its headings (CommonMark 0.31, 4.2 and
4.3) and where code is fenced (4.5), within which a # is no heading.
"""

import re
from typing import BinaryIO

from chatkeep.parsing.decoding import decoded_file
from chatkeep.parsing.limits import Limits
from chatkeep.parsing.transcript import Transcript, readable

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*))?$")
_CLOSING = re.compile(r"(?:^|[ \t])#+[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")


def read_markdown(file: BinaryIO, transcript: Transcript, limits: Limits) -> None:
    """The whole of the file into the transcript.

    Raises:
        Unreadable
    """
    _Markdown(transcript).read(readable(decoded_file(file, transcript, limits)))


class _Markdown:
    def __init__(self, transcript: Transcript) -> None:
        self._transcript = transcript
        self._paragraph: list[str] = []
        self._fence = ""

    def read(self, text: str) -> None:
        for line in text.split("\n"):
            if self._fence:
                self._fenced(line)
            else:
                self._line(line)
        self._end_paragraph()

    def _fenced(self, line: str) -> None:
        self._paragraph.append(line)
        mark = line.strip()
        if len(mark) >= len(self._fence) and not mark.strip(self._fence[0]):
            self._fence = ""
            self._end_paragraph()

    def _line(self, line: str) -> None:
        if heading := _HEADING.match(line):
            self._end_paragraph()
            self._heading(len(heading[1]), _CLOSING.sub("", heading[2] or ""))
        elif (underline := _UNDERLINE.match(line)) and len(self._paragraph) == 1:
            self._heading(1 if underline[1][0] == "=" else 2, self._paragraph.pop())
        elif line.strip():
            if fence := _FENCE.match(line):
                self._end_paragraph()
                self._fence = fence[1]
            self._paragraph.append(line)
        else:
            self._end_paragraph()

    def _heading(self, level: int, text: str) -> None:
        self._transcript.add_heading(level, text)
        if level == 1 and not self._transcript.title:
            self._transcript.title = text

    def _end_paragraph(self) -> None:
        self._transcript.add("\n".join(self._paragraph))
        self._paragraph.clear()
