"""From a file to its chunks: what it is, what it says, cut to measure. Everything that an attacker controls is read in
here, so it runs in a process of its own (`child.py`).
"""

from collections.abc import Callable, Mapping
from typing import BinaryIO

from chatkeep.parsing import file_types
from chatkeep.parsing.chunks import MediaType, ParsedDocument, Unreadable
from chatkeep.parsing.delimited import read_csv
from chatkeep.parsing.epub import read_epub
from chatkeep.parsing.file_types import file_type
from chatkeep.parsing.html_text import read_html
from chatkeep.parsing.limits import Limits
from chatkeep.parsing.mail import read_mail
from chatkeep.parsing.markdown import read_markdown
from chatkeep.parsing.open_document import read_open_document
from chatkeep.parsing.packing import pack
from chatkeep.parsing.plain_text import read_text
from chatkeep.parsing.refusals import too_large
from chatkeep.parsing.slides import read_slides
from chatkeep.parsing.spreadsheet import read_spreadsheet
from chatkeep.parsing.tokens import CountTokens
from chatkeep.parsing.transcript import Transcript
from chatkeep.parsing.word import read_word

_Read = Callable[[BinaryIO, Transcript, Limits], None]


def _read_pdf(file: BinaryIO, transcript: Transcript, limits: Limits) -> None:
    # Loading PDFium takes a third of the process's start, and only PDFs need it.
    from chatkeep.parsing.pdf import read_pdf  # noqa: PLC0415

    read_pdf(file, transcript, limits)


_READERS: Mapping[MediaType, _Read] = {
    file_types.PDF: _read_pdf,
    file_types.DOCX: read_word,
    file_types.PPTX: read_slides,
    file_types.XLSX: read_spreadsheet,
    file_types.ODT: read_open_document,
    file_types.ODS: read_open_document,
    file_types.ODP: read_open_document,
    file_types.EPUB: read_epub,
    file_types.HTML: read_html,
    file_types.MARKDOWN: read_markdown,
    file_types.CSV: read_csv,
    file_types.MAIL: read_mail,
    file_types.TEXT: read_text,
}
_MIB = 2**20


def read_document(file: BinaryIO, ending: str, limits: Limits, count: CountTokens) -> ParsedDocument:
    """`ending` of the file's name in small letters, without the dot.

    Raises:
        Unreadable
    """
    size = file.seek(0, 2)
    if not size:
        raise Unreadable("empty", "The file is empty.")
    if size > limits.file_bytes:
        raise too_large(f"It is larger ({limits.file_bytes // _MIB} MiB)")
    kind = file_type(file, ending, limits)
    transcript = Transcript(limits.characters)
    _READERS[kind](file, transcript, limits)
    if not transcript.blocks and not transcript.notices:
        transcript.notice("There is no text in it.")
    chunks = tuple(pack(transcript.blocks, count, limits.chunk_tokens))
    return ParsedDocument(kind, transcript.title, transcript.pages, chunks, tuple(transcript.notices))
