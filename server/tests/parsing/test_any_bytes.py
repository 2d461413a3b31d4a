"""Whatever the bytes: a document or a refusal that says why."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatkeep.parsing.chunks import Unreadable
from server.tests.parsing.made_files import (
    epub_members,
    open_document_members,
    pdf_of_pages,
    shape,
    sheet_members,
    slides_members,
    text_on_page,
    word_members,
    word_paragraph,
    zipped,
)
from server.tests.parsing.reading_here import read, text_of

CODES = {"empty", "unsupported_type", "damaged", "encrypted", "too_large"}
MAIL = (
    b"From: a@example.org\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>x\n--b--\n"
)
WHOLE = {
    "docx": zipped(word_members(word_paragraph("Words."))),
    "pptx": zipped(slides_members([shape("Words.")])),
    "xlsx": zipped(sheet_members('<row><c t="s"><v>0</v></c></row>', ["Words."])),
    "odt": zipped(open_document_members("text", "<text:p>Words.</text:p>")),
    "epub": zipped(epub_members(["<html><p>Words.</p></html>"])),
    "pdf": pdf_of_pages([text_on_page("Words.")]),
    "html": b"<!DOCTYPE html><table><tr><td>Words.</table>",
    "eml": MAIL,
    "csv": b'Name,"Price"\nTea,3\n',
    "md": b"# Title\n\n```\ncode\n```\n",
}


def is_read_or_refused(data: bytes, ending: str) -> None:
    refused = None
    document = None
    try:
        document = read(data, ending)
    except Unreadable as error:
        refused = error
    if document:
        assert document.chunks or document.notices
        assert b"\0" not in text_of(document).encode()
    else:
        assert refused
        assert refused.code in CODES
        assert refused.message.endswith(".")


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=300), st.sampled_from(["txt", *WHOLE]))
def test_random_bytes(data: bytes, ending: str) -> None:
    is_read_or_refused(data, ending)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.parametrize("kind", WHOLE)
@given(st.data())
def test_a_file_that_is_cut_off_or_has_other_bytes_in_it(kind: str, data: st.DataObject) -> None:
    whole = bytearray(WHOLE[kind])
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=8)):
        whole[at] = value
    is_read_or_refused(bytes(whole[: data.draw(st.integers(0, len(whole)))]), kind)
    is_read_or_refused(bytes(whole), kind)


@pytest.mark.parametrize(
    ("data", "ending", "what"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "pdf", "picture"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "txt", "picture"),
        (b"\x7fELF" + bytes(100), "md", "program"),
        (b"MZ" + bytes(100), "docx", "program"),
        (b"{\\rtf1 words}", "txt", "Rich Text"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "doc", "older office"),
        (zipped({"a.txt": "words"}), "docx", "archive"),
        (bytes(range(256)) * 9, "txt", "no kind"),
    ],
)
def test_what_is_no_document_is_refused_whatever_its_name(data: bytes, ending: str, what: str) -> None:
    with pytest.raises(Unreadable, match=what) as refused:
        read(data, ending)
    assert refused.value.code == "unsupported_type"


@pytest.mark.parametrize("kind", ["docx", "pptx", "xlsx", "odt", "epub", "pdf"])
def test_a_lying_name_changes_nothing(kind: str) -> None:
    assert "Words." in text_of(read(WHOLE[kind], "txt"))
    assert read(WHOLE[kind], "html") == read(WHOLE[kind], kind)


@pytest.mark.parametrize("text", ["MZ is short for Mainz.", "BZh and GIF8 are magic.", "Rar!", "II* of them"])
def test_words_that_are_marks_of_other_files_are_words(text: str) -> None:
    assert text_of(read(text)) == text


def test_a_picture_in_svg_is_plain_text_and_runs_nothing() -> None:
    document = read("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "svg")
    assert document.media_type == "text/plain"
