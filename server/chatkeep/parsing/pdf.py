"""PDF, by PDFium: pages, the outline's headings, and paragraphs put together again from lines."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import BinaryIO

import pypdfium2
import pypdfium2.raw

from chatkeep.parsing.limits import Limits
from chatkeep.parsing.pdf_lines import paragraphs, without_running_heads
from chatkeep.parsing.refusals import damaged, encrypted, too_large
from chatkeep.parsing.transcript import Transcript, one_line

_MOST_PAGES = 10_000
_MOST_HEADINGS = 10_000
_DEEPEST_HEADING = 9
# A page that repeats an object without end has more characters than any page holds.
_MOST_ON_A_PAGE = 1_000_000
_SHORTEST_BETWEEN = 2
_MOST_RUNS = 10
_LONGEST_NUMBER = 12


def read_pdf(file: BinaryIO, transcript: Transcript, limits: Limits) -> None:
    """The whole of the file into the transcript.

    Raises:
        Unreadable
    """
    file.seek(0)
    try:
        with pypdfium2.PdfDocument(file.read()) as pdf:
            _Pages(pdf, transcript, limits).read()
    except pypdfium2.PdfiumError as error:
        if error.err_code == pypdfium2.raw.FPDF_ERR_PASSWORD:
            raise encrypted() from None
        raise damaged() from error


class _Pages:
    def __init__(self, pdf: pypdfium2.PdfDocument, transcript: Transcript, limits: Limits) -> None:
        self._pdf = pdf
        self._transcript = transcript
        self._limits = limits
        self._pictures: list[int] = []
        self._broken: list[int] = []

    def read(self) -> None:
        pages = len(self._pdf)
        if pages > _MOST_PAGES:
            raise too_large("It has more pages")
        self._transcript.pages = pages
        self._transcript.title = self._pdf.get_metadata_value("Title")
        headings = self._headings()
        texts = without_running_heads(list(self._texts(pages)))
        for page, lines in enumerate(texts, 1):
            self._add(page, lines, headings.get(page, []))
        self._tell()

    def _texts(self, pages: int) -> Iterator[list[str]]:
        """The lines of each page."""
        left = self._limits.characters
        for number in range(pages):
            try:
                text = self._text(number)
            except pypdfium2.PdfiumError:
                self._broken.append(number + 1)
                text = ""
            left -= len(text)
            if left < 0:
                raise too_large(f"It has more text ({self._limits.characters:,} characters)")
            yield text.splitlines()

    def _text(self, number: int) -> str:
        page = self._pdf[number]
        try:
            textpage = page.get_textpage()
            if textpage.count_chars() > _MOST_ON_A_PAGE:
                raise too_large("A page has more text")
            text: str = textpage.get_text_range()
            if not text.strip() and next(page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE]), None):
                self._pictures.append(number + 1)
            return text
        finally:
            page.close()

    def _headings(self) -> dict[int, list[tuple[int, str]]]:
        """Of the outline (ISO 32000-1, 12.3.3): level and title of those on each page."""
        headings: dict[int, list[tuple[int, str]]] = {}
        try:
            for number, mark in enumerate(self._pdf.get_toc(max_depth=_DEEPEST_HEADING)):
                destination = mark.get_dest()
                index = destination.get_index() if destination else None
                if index is not None:
                    headings.setdefault(index + 1, []).append((mark.level + 1, one_line(mark.get_title())))
                if number == _MOST_HEADINGS:
                    break
        except (pypdfium2.PdfiumError, UnicodeError):
            return {}
        return headings

    def _add(self, page: int, lines: Sequence[str], headings: Sequence[tuple[int, str]]) -> None:
        """The text of a page, cut where a line is the title of a heading. A title that is none, but two perhaps, stands
        before what follows the last one that is.
        """
        waiting = [heading for heading in headings if heading[1]]
        begun = 0
        for number, line in enumerate(lines):
            found = next((heading for heading in waiting if _is_title(line, heading[1])), None)
            if found:
                self._add_paragraphs(page, lines[begun:number])
                at = waiting.index(found)
                self._add_headings(page, [*waiting[:at], (found[0], line)])
                del waiting[: at + 1]
                begun = number + 1
        self._add_headings(page, waiting)
        self._add_paragraphs(page, lines[begun:])

    def _add_headings(self, page: int, headings: Sequence[tuple[int, str]]) -> None:
        for level, text in headings:
            self._transcript.add_heading(level, text, page)

    def _add_paragraphs(self, page: int, lines: Sequence[str]) -> None:
        for paragraph in paragraphs(lines):
            self._transcript.add(paragraph, page)

    def _tell(self) -> None:
        if self._pictures and not self._transcript.blocks:
            self._transcript.notice("All its pages are pictures without text. Run text recognition (OCR) first.")
        elif self._pictures:
            self._transcript.notice(f"{_pages_in_words(self._pictures)} without text.")
        if self._broken:
            self._transcript.notice(f"{_pages_in_words(self._broken, 'damaged')} and left out.")


def _is_title(line: str, title: str) -> bool:
    """Whether a line says what the outline does, whatever number it has before."""
    line = one_line(line)
    return line.endswith(title) and len(line) - len(title) <= _LONGEST_NUMBER


def _pages_in_words(pages: Sequence[int], what: str = "pictures") -> str:
    """[3, 4, 5, 9] as "Pages 3 to 5 and 9 are pictures"."""
    runs = []
    for _, members in groupby(enumerate(pages), key=lambda pair: pair[1] - pair[0]):
        run = [page for _, page in members]
        runs.append(f"{run[0]} to {run[-1]}" if len(run) > _SHORTEST_BETWEEN else " and ".join(map(str, run)))
    shown = runs[:_MOST_RUNS]
    if len(runs) > _MOST_RUNS:
        shown.append("others")
    listed = " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
    if len(pages) == 1:
        return f"Page {listed} is {'a picture' if what == 'pictures' else what}"
    return f"Pages {listed} are {what}"
