"""Reads a document in the process of the test, where a debugger can follow."""

import io

from chatkeep.parsing.chunks import ParsedDocument
from chatkeep.parsing.limits import Limits
from chatkeep.parsing.reading import read_document
from chatkeep.parsing.tokens import tokens_roughly


def read(data: bytes | str, ending: str = "txt", **limits: int) -> ParsedDocument:
    raw = data.encode() if isinstance(data, str) else data
    return read_document(io.BytesIO(raw), ending, Limits(**limits), tokens_roughly)  # type: ignore[arg-type]


def text_of(document: ParsedDocument) -> str:
    """Without what chunks repeat; the white space between them as line feeds."""
    text = ""
    for chunk in document.chunks:
        text += "\n" * (chunk.start - len(text)) + chunk.text[max(0, len(text) - chunk.start) :]
    return text
