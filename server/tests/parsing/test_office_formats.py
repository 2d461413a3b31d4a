"""Office files, books and PDFs: headings, tables, pages, and what their readers see."""

import pytest

from chatkeep.parsing.chunks import Unreadable
from server.tests.parsing.made_files import (
    encrypted_pdf,
    epub_members,
    open_document_members,
    pdf_of_pages,
    shape,
    sheet_members,
    slides_members,
    text_on_page,
    word_members,
    word_paragraph,
    word_table,
    zipped,
)
from server.tests.parsing.reading_here import read, text_of

ROWS = [["Name", "Price"], ["Tea", "3"], ["Coffee", "4"]]
AS_LINES = "Name | Price\nName: Tea | Price: 3\nName: Coffee | Price: 4"
BODY = "Some words that are read by somebody. " * 12


def test_word_headings_are_those_of_its_styles_whatever_they_are_called() -> None:
    styles = (
        '<w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>'
        '<w:style w:styleId="Own"><w:name w:val="Own"/><w:basedOn w:val="berschrift1"/></w:style>'
        '<w:style w:styleId="Part"><w:name w:val="Part"/><w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style>'
    )
    body = (
        word_paragraph("Top", "berschrift1")
        + word_paragraph(BODY)
        + word_paragraph("Below", "Part")
        + word_paragraph(BODY)
        + word_paragraph("Next", "Own")
        + word_paragraph(BODY)
    )
    document = read(zipped(word_members(body, styles=styles)))
    assert document.media_type.endswith("wordprocessingml.document")
    assert (document.title, document.pages) == ("A title", None)
    assert list(dict.fromkeys(chunk.headings for chunk in document.chunks)) == [("Top",), ("Top", "Below"), ("Next",)]


def test_word_tables_notes_and_text_boxes_are_read_once() -> None:
    box = "<w:p><w:r><mc:AlternateContent><mc:Choice><w:p><w:r><w:t>boxed</w:t></w:r></w:p></mc:Choice>"
    box += "<mc:Fallback><w:p><w:r><w:t>boxed</w:t></w:r></w:p></mc:Fallback></mc:AlternateContent></w:r></w:p>"
    body = word_paragraph("Before") + word_table(ROWS) + box + "<w:p><w:r><w:delText>deleted</w:delText></w:r></w:p>"
    text = text_of(read(zipped(word_members(body, notes=word_paragraph("A note.")))))
    assert text == f"Before\n\n{AS_LINES}\n\nboxed\n\nA note."


def test_slides_are_pages_in_the_order_in_which_they_are_shown() -> None:
    table = "<a:tbl>" + "".join(
        "<a:tr>" + "".join(f"<a:tc><a:p><a:r><a:t>{cell}</a:t></a:r></a:p></a:tc>" for cell in row) + "</a:tr>"
        for row in ROWS
    )
    first = shape("Last", "title") + shape(BODY) + shape("7", "sldNum")
    second = shape("First", "ctrTitle") + shape(BODY) + table + "</a:tbl>"
    document = read(zipped(slides_members([first, second], {2: shape("Say hello.")})))
    assert document.pages == 2
    assert [(chunk.page, chunk.headings[0]) for chunk in document.chunks] == [(1, "First"), (2, "Last")]
    assert f"{AS_LINES}\n\nSay hello.\n\nLast" in text_of(document)
    assert "7" not in text_of(document)


def test_a_sheet_has_its_name_and_its_rows_have_those_of_their_columns() -> None:
    sheet = (
        '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="C1" t="inlineStr"><is><t>Since</t></is></c></row>'
        '<row r="3"><c r="A3" t="s"><v>1</v></c><c r="C3" s="1"><v>45000.5</v></c></row>'
        '<row r="4"><c t="b"><v>1</v></c><c><v>2.5</v></c><c s="2"><v>45000</v></c><c t="s"><v>99</v></c></row>'
    )
    styles = '<numFmts><numFmt numFmtId="164" formatCode="yyyy\\-mm"/></numFmts><cellXfs><xf numFmtId="0"/>'
    styles += '<xf numFmtId="22"/><xf numFmtId="164"/></cellXfs>'
    document = read(zipped(sheet_members(sheet, ["Name", "Tea"], styles)))
    assert document.chunks[0].headings == ("Stock",)
    assert text_of(document) == (
        "Stock\n\nName | Since\nName: Tea | Since: 2023-03-15 12:00:00\nName: TRUE | 2.5 | Since: 2023-03-15"
    )


def test_an_open_text_document() -> None:
    table = "<table:table table:name='T'>" + "".join(
        "<table:table-row>"
        + "".join(f"<table:table-cell><text:p>{cell}</text:p></table:table-cell>" for cell in row)
        + "</table:table-row>"
        for row in ROWS
    )
    body = (
        "<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>"
        f"<text:h text:outline-level='1'>Top</text:h><text:p>{BODY}</text:p>"
        "<text:h text:outline-level='2'>Below</text:h><text:p>Two<text:s text:c='2'/>spaces.</text:p>"
        f"{table}</table:table>"
    )
    document = read(zipped(open_document_members("text", body)))
    assert document.title == "An open title"
    assert document.chunks[-1].headings == ("Top", "Below")
    assert text_of(document).endswith(f"Two  spaces.\n\n{AS_LINES}")


def test_an_open_spreadsheet_that_repeats_its_cells_a_billion_times() -> None:
    cell = "<table:table-cell table:number-columns-repeated='1000000000'><text:p>x</text:p></table:table-cell>"
    rows = f"<table:table-row table:number-rows-repeated='1000000000'>{cell}</table:table-row>" * 200
    document = read(
        zipped(open_document_members("spreadsheet", f"<table:table table:name='S'>{rows}</table:table>")), rows=100
    )
    assert document.chunks[0].headings == ("S",)
    assert text_of(document).count("x") == 100 * 200
    assert len(document.notices) == 2


def test_an_open_presentation() -> None:
    page = "<draw:page><draw:frame presentation:class='title'><draw:text-box><text:p>Head</text:p></draw:text-box>"
    document = read(
        zipped(open_document_members("presentation", f"{page}</draw:frame><text:p>{BODY}</text:p></draw:page>" * 2))
    )
    assert document.pages == 2
    assert {(chunk.page, chunk.headings) for chunk in document.chunks} == {(1, ("Head",)), (2, ("Head",))}


def test_a_book_is_read_in_the_order_of_its_spine_each_chapter_once() -> None:
    chapters = [f"<?xml version='1.0'?><html><body><h1>{name}</h1><p>{BODY}</p></body></html>" for name in "AB"]
    document = read(zipped(epub_members(chapters, spine=[1, 0] * 5000)))
    assert document.title == "A book"
    assert [chunk.headings for chunk in document.chunks] == [("B",), ("A",)]


def test_a_pdf_has_pages_and_lines_that_are_paragraphs_again() -> None:
    lines = [
        "This is a line that is as long as the page is wide, and",
        "it goes on here until the sentence ends. And then more is",
    ]
    document = read(pdf_of_pages([text_on_page(*lines, "said.", "A new one."), text_on_page("Second page.")]))
    assert document.pages == 2
    assert text_of(document) == f"{lines[0]} {lines[1]} said.\n\nA new one.\n\nSecond page."


def test_a_table_of_contents_keeps_its_words_and_not_its_dots() -> None:
    assert text_of(read(pdf_of_pages([text_on_page("1.2 Tea . . . . . . . . . . . 7")]))) == "1.2 Tea … 7"


def test_pages_that_are_pictures_are_told_of() -> None:
    picture = b"q 100 0 0 100 0 0 cm /Im Do Q"
    text = text_on_page("Words.")
    document = read(pdf_of_pages([text, picture, text, picture, picture, picture, b"", picture]))
    assert document.notices == ("Pages 2, 4 to 6 and 8 are pictures without text.",)
    (notice,) = read(pdf_of_pages([picture])).notices
    assert notice.startswith("All its pages are pictures")


def test_lines_that_stand_on_most_pages_are_left_out() -> None:
    pages = [text_on_page("The title of it all", f"Words of page {'abcdefgh'[n]}.", f"Page {n}") for n in range(8)]
    text = text_of(read(pdf_of_pages(pages)))
    assert "Words of page c." in text
    assert "title" not in text
    assert "Page 3" not in text


@pytest.mark.parametrize("what", ["docx", "odt", "epub", "pdf"])
def test_a_file_with_a_password_says_so(what: str) -> None:
    manifest = '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
    manifest += "<manifest:encryption-data/></manifest:manifest>"
    made = {
        "docx": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512) + "EncryptedPackage".encode("utf-16-le"),
        "odt": zipped({**open_document_members("text", ""), "META-INF/manifest.xml": manifest}),
        "epub": zipped({**epub_members(["x"]), "META-INF/rights.xml": "<rights/>"}),
        "pdf": encrypted_pdf(),
    }
    with pytest.raises(Unreadable) as refused:
        read(made[what])
    assert refused.value.code == "encrypted"
