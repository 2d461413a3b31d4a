"""Archives that are not what they seem: bombs, forged sizes, a million members, two files in one."""

import struct
import zipfile
from collections.abc import Callable

import pytest

from chatkeep.parsing.chunks import Unreadable
from server.tests.parsing.made_files import (
    epub_members,
    open_document_members,
    sheet_members,
    slides_members,
    word_members,
    word_paragraph,
    zipped,
)
from server.tests.parsing.reading_here import read, text_of

_BOMB = b" " * 8_000_000


def with_size(archive: bytes, name: str, size: int) -> bytes:
    """Says in both places that the member has that size unpacked."""
    out = bytearray(archive)
    for signature, size_at, name_at in ((b"PK\x03\x04", 22, 30), (b"PK\x01\x02", 24, 46)):
        at = out.find(signature)
        while at >= 0:
            if out[at + name_at :].startswith(name.encode()):
                out[at + size_at : at + size_at + 4] = struct.pack("<L", size)
            at = out.find(signature, at + 1)
    return bytes(out)


def code_of(data: bytes, **limits: int) -> str:
    with pytest.raises(Unreadable) as refused:
        read(data, "docx", **limits)
    return refused.value.code


BOMBS: dict[str, Callable[[], dict[str, str | bytes]]] = {
    "word/document.xml": lambda: word_members(_BOMB),
    "xl/sheet1.xml": lambda: sheet_members(_BOMB),
    "ppt/slides/slide1.xml": lambda: {**slides_members([""]), "ppt/slides/slide1.xml": _BOMB},
    "content.xml": lambda: {**open_document_members("text", ""), "content.xml": _BOMB},
    "OEBPS/ch 0.xhtml": lambda: {**epub_members([""]), "OEBPS/ch 0.xhtml": _BOMB},
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_zip_bomb_is_refused_before_it_is_unpacked(name: str) -> None:
    assert code_of(zipped(BOMBS[name]())) == "too_large"


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("declared", [0, 100, 1_000_000])
def test_a_forged_size_does_not_help_a_zip_bomb(name: str, declared: int) -> None:
    """It unpacks to no more than it says it does, and what is then cut off is no document."""
    bomb = with_size(zipped(BOMBS[name]()), name, declared)
    try:
        document = read(bomb, characters=2_000_000)
    except Unreadable as refused:
        assert refused.code in {"damaged", "too_large"}  # noqa: PT017 - an empty document is as good
    else:
        assert not document.chunks


def test_what_is_inflated_is_counted_over_all_members() -> None:
    chapters = [f"<html><p>{'word ' * 40_000}</p></html>" for _ in range(10)]
    assert code_of(zipped(epub_members(chapters), zipfile.ZIP_STORED), inflated_bytes=1_000_000) == "too_large"


def test_nested_archives_are_never_opened() -> None:
    inner = zipped({"bomb": _BOMB})
    for _ in range(5):
        inner = zipped({f"{n}.zip": inner for n in range(10)})
    members = {**word_members(word_paragraph("Words.")), "word/embeddings/nested.zip": inner}
    assert text_of(read(zipped(members))) == "Words."
    assert code_of(zipped({"1.zip": inner})) == "unsupported_type"


def test_a_million_members_are_refused_before_they_are_listed() -> None:
    member = b"PK\x01\x02" + bytes(24) + struct.pack("<H", 1) + bytes(16) + b"a"
    directory = member * 300_000
    end = b"PK\x05\x06" + bytes(4) + struct.pack("<HHLLH", 65_535, 65_535, len(directory), 4, 0)
    assert code_of(b"PK\x03\x04" + directory + end) == "too_large"


def test_many_members_that_lie_about_their_number_are_refused() -> None:
    data = bytearray(zipped({f"{n}": b"" for n in range(10_500)}))
    end = data.rindex(b"PK\x05\x06")
    data[end + 8 : end + 12] = struct.pack("<HH", 1, 1)
    assert code_of(bytes(data)) == "too_large"


def test_a_directory_of_the_kind_for_huge_archives_is_refused() -> None:
    data = zipped({"a": b"b"})
    end = data.rindex(b"PK\x05\x06")
    assert code_of(data[:end] + b"PK\x06\x07" + bytes(16) + data[end:]) == "too_large"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused() -> None:
    data = bytearray(zipped({**word_members(word_paragraph("one")), "word/documenu.xml": "<other/>"}))
    assert code_of(bytes(data).replace(b"word/documenu.xml", b"word/document.xml")) == "damaged"


def test_a_file_that_is_two_documents_is_neither() -> None:
    both = {**open_document_members("text", "<text:p>x</text:p>"), **word_members(word_paragraph("y"))}
    assert code_of(zipped(both)) == "unsupported_type"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_packing_that_office_programs_do_not_use_is_refused(method: int) -> None:
    assert code_of(zipped(word_members(word_paragraph("words")), method)) == "damaged"


def test_a_relationship_that_leads_out_of_the_archive_leads_nowhere() -> None:
    members = word_members(word_paragraph("words"))
    for target in ("../../../../etc/passwd", "/etc/passwd", "file:///etc/passwd"):
        rels = str(members["_rels/.rels"]).replace("word/document.xml", target)
        assert code_of(zipped({**members, "_rels/.rels": rels})) == "damaged"


ENTITIES = "<!DOCTYPE x [" + "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9)) + '<!ENTITY e0 "ha">]>'


@pytest.mark.parametrize("declared", [ENTITIES, '<!DOCTYPE x [<!ENTITY e9 SYSTEM "file:///etc/passwd">]>'])
def test_entities_are_neither_expanded_nor_fetched(declared: str) -> None:
    body = "<w:p><w:r><w:t>&e9;</w:t></w:r></w:p>"
    assert code_of(zipped(word_members(body, before=declared))) == "damaged"
    assert code_of(zipped(open_document_members("text", "<text:p>&e9;</text:p>", before=declared))) == "damaged"
    page = f"{declared}<html><body><p>&e9;</p></body></html>"
    assert "root:" not in text_of(read(zipped(epub_members([page]))))


def test_xml_nested_without_end_is_refused() -> None:
    assert code_of(zipped(word_members("<w:tbl>" * 100_000))) == "damaged"


def test_a_sheet_of_sixteen_million_rows_is_read_to_its_bound() -> None:
    rows = "".join(f'<row><c t="inlineStr"><is><t>r{n}</t></is></c><c><v>{n}</v></c></row>' for n in range(3_000))
    document = read(zipped(sheet_members(rows + "<row/>" * 1_000_000), zipfile.ZIP_STORED), rows=1000)
    assert "r999" in text_of(document)
    assert "r1000" not in text_of(document)
    assert document.notices == ("Of a table only the first 1,000 rows were read.",)


def test_a_cell_far_to_the_right_takes_no_row_of_cells() -> None:
    cells = '<row><c r="A1"><v>1</v></c><c r="ZZZ1"><v>2</v></c></row>' * 1000
    document = read(zipped(sheet_members(cells)))
    assert "2" not in text_of(document)
    assert document.notices == ("Of a table only the first 200 columns were read.",)
