"""CSV, by whatever it is separated (RFC 4180 knows the comma; spreadsheets write semicolons and tabs too)."""

import csv
import io
from collections.abc import Iterator
from typing import BinaryIO

from chatkeep.parsing.decoding import decoded_file
from chatkeep.parsing.limits import Limits
from chatkeep.parsing.plain_text import add_paragraphs
from chatkeep.parsing.tables import add_table
from chatkeep.parsing.transcript import Transcript

_SEPARATORS = ",;\t|"
_LOOKED_AT = 4096


def read_csv(file: BinaryIO, transcript: Transcript, limits: Limits) -> None:
    """The whole of the file into the transcript.

    Raises:
        Unreadable
    """
    text = decoded_file(file, transcript, limits)
    first_line = text[:_LOOKED_AT].lstrip().split("\n", 1)[0]
    separator = max(_SEPARATORS, key=first_line.count)
    try:
        add_table(_rows(text, separator), transcript, limits)
    except csv.Error:
        # A quotation mark that is never closed, say. What was read so far is read again, as lines.
        transcript.blocks.clear()
        transcript.notice("The file is no proper CSV and was read as plain text.")
        add_paragraphs(text, transcript)


def _rows(text: str, separator: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text.replace("\0", ""), newline=""), delimiter=separator)
