"""Text without marks, source code too: paragraphs are what empty lines stand between."""

import re
from typing import BinaryIO

from chatkeep.parsing.decoding import decoded_file
from chatkeep.parsing.limits import Limits
from chatkeep.parsing.transcript import Transcript, readable

_EMPTY_LINES = re.compile(r"\n(?:[^\S\n]*\n)+")


def read_text(file: BinaryIO, transcript: Transcript, limits: Limits) -> None:
    """The whole of the file into the transcript.

    Raises:
        Unreadable
    """
    add_paragraphs(decoded_file(file, transcript, limits), transcript)


def add_paragraphs(text: str, transcript: Transcript, page: int | None = None) -> None:
    """Text that was read already.

    Raises:
        Unreadable
    """
    for paragraph in _EMPTY_LINES.split(readable(text.replace("\f", "\n\n"))):
        transcript.add(paragraph, page)
