"""PDFs that cost more than they weigh. Each runs in its process, with the limits of any other."""

import asyncio
import zlib
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from chatkeep.parsing.chunks import ParsedDocument, Unreadable
from chatkeep.parsing.limits import Limits
from chatkeep.parsing.parse import parse
from server.tests.parsing.made_files import pdf, pdf_of_pages, stream, text_on_page

_LIMITS = Limits(seconds=30, cpu_seconds=1, memory_bytes=300 * 2**20)


def bomb_in_a_stream() -> bytes:
    """60 MB of operators that show letters, packed twice."""
    operators = zlib.compress(b"BT /F1 1 Tf (" + b"a" * 60_000_000 + b") Tj ET", 9)
    packed = stream(zlib.compress(operators, 9), b"/Filter [/FlateDecode /FlateDecode]")
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    page = b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>"
    pages = b"<< /Type /Pages /Kids [3 0 R] /Count 1 /MediaBox [0 0 9 9] >>"
    return pdf([b"<< /Type /Catalog /Pages 2 0 R >>", pages, page, packed, font])


def deep_tree() -> bytes:
    nodes = [b"<< /Type /Pages /Kids [%d 0 R] /Count 1 >>" % (number + 3) for number in range(50_000)]
    return pdf([b"<< /Type /Catalog /Pages 2 0 R >>", *nodes, b"<< /Type /Page >>"])


def circular_tree() -> bytes:
    return pdf([b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 1000000000 >>"])


def circular_outline() -> bytes:
    outline = b"<< /Title (a) /Dest [3 0 R /Fit] /Next 4 0 R /First 4 0 R >>"
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"
    catalogue = b"<< /Type /Catalog /Pages 2 0 R /Outlines << /First 4 0 R >> >>"
    return pdf([catalogue, b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>", page, outline])


def forms_within_forms() -> bytes:
    """Each shows the next ten times: ten to the twelfth at the end."""
    form = b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /F %d 0 R >> >>"
    forms = [stream(b"/F Do " * 10, form % (number + 5)) for number in range(12)]
    page = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R /Resources << /XObject << /F 4 0 R >> >> >>"
    )
    pages = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
    return pdf([b"<< /Type /Catalog /Pages 2 0 R >>", pages, page, *forms, stream(b"q Q", form % 4)])


ATTACKS: dict[str, Callable[[], bytes]] = {
    "a bomb in a stream": bomb_in_a_stream,
    "a deep tree of pages": deep_tree,
    "a tree of pages that is a circle": circular_tree,
    "an outline that is a circle": circular_outline,
    "forms within forms": forms_within_forms,
    "a page of a thousand miles": lambda: pdf_of_pages([text_on_page("Words.")], box=b"0 0 1e30 1e30"),
    "no pages": lambda: pdf([b"<< /Type /Catalog >>"]),
    "the beginning alone": lambda: b"%PDF-1.7\n",
    "half a file": lambda: pdf_of_pages([text_on_page("Words.")] * 50)[:5_000],
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_pdf_that_attacks_is_read_or_refused_within_its_limits(tmp_path: Path, attack: str) -> None:
    path = tmp_path / "blob"
    await asyncio.to_thread(path.write_bytes, ATTACKS[attack]())
    before = set(psutil.Process().children())
    try:
        document = await parse(path, "a.pdf", _LIMITS)
    except Unreadable as refused:
        assert refused.code in {"damaged", "too_large", "took_too_long"}  # noqa: PT017 - to be read is as good
    else:
        assert isinstance(document, ParsedDocument)
    assert set(psutil.Process().children()) <= before


async def test_what_follows_a_pdf_is_not_read(tmp_path: Path) -> None:
    """It could be an archive or a page: a file is one thing."""
    path = tmp_path / "blob"
    path.write_bytes(pdf_of_pages([text_on_page("Words.")]) + b"PK\x03\x04<html><script>alert(1)</script>")
    document = await parse(path, "a.html", _LIMITS)
    assert document.media_type == "application/pdf"
    assert [chunk.text for chunk in document.chunks] == ["Words."]
