"""Files of every kind, put together by hand: whole ones, and such as nobody but an attacker would write."""

import io
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from xml.sax.saxutils import escape

_OOXML = "http://schemas.openxmlformats.org"
_OFFICE = f"{_OOXML}/officeDocument/2006/relationships"
_ODF = "urn:oasis:names:tc:opendocument:xmlns"
_PICTURE = b"/Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8"


def zipped(members: Mapping[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            stored = zipfile.ZIP_STORED if name == "mimetype" else method
            archive.writestr(name, data, compress_type=stored)
    return out.getvalue()


def _rels(targets: Mapping[str, tuple[str, str]]) -> str:
    inner = "".join(
        f'<Relationship Id="{key}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for key, (kind, target) in targets.items()
    )
    return f'<Relationships xmlns="{_OOXML}/package/2006/relationships">{inner}</Relationships>'


def _office(kind: str, part: str, members: Mapping[str, str | bytes]) -> dict[str, str | bytes]:
    return {
        "[Content_Types].xml": f'<Types xmlns="{_OOXML}/package/2006/content-types"><Override PartName="/{part}" '
        f'ContentType="application/vnd.openxmlformats-officedocument.{kind}.main+xml"/></Types>',
        "_rels/.rels": _rels({"r1": ("officeDocument", part)}),
        **members,
    }


def word_paragraph(text: str, style: str = "") -> str:
    look = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f'<w:p>{look}<w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p>'


def word_table(rows: Sequence[Sequence[str]]) -> str:
    inner = "".join(
        "<w:tr>" + "".join(f"<w:tc>{word_paragraph(cell)}</w:tc>" for cell in row) + "</w:tr>" for row in rows
    )
    return f"<w:tbl>{inner}</w:tbl>"


def word_members(body: str | bytes, before: str = "", styles: str = "", notes: str = "") -> dict[str, str | bytes]:
    """`before` stands before the root element."""
    w = f'xmlns:w="{_OOXML}/wordprocessingml/2006/main" xmlns:mc="{_OOXML}/markup-compatibility/2006"'
    head, tail = f"<?xml version='1.0'?>{before}<w:document {w}><w:body>", "</w:body></w:document>"
    whole = head.encode() + body + tail.encode() if isinstance(body, bytes) else head + body + tail
    return _office(
        "wordprocessingml.document",
        "word/document.xml",
        {
            "word/_rels/document.xml.rels": _rels(
                {"r1": ("styles", "styles.xml"), "r2": ("footnotes", "footnotes.xml")}
            ),
            "word/document.xml": whole,
            "word/styles.xml": f"<w:styles {w}>{styles}</w:styles>",
            "word/footnotes.xml": f"<w:footnotes {w}>{notes}</w:footnotes>",
            "docProps/core.xml": '<c xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>A title</dc:title></c>',
        },
    )


def slides_members(slides: Sequence[str], notes: Mapping[int, str] | None = None) -> dict[str, str | bytes]:
    ns = f'xmlns:p="{_OOXML}/presentationml/2006/main" xmlns:a="{_OOXML}/drawingml/2006/main" xmlns:r="{_OFFICE}"'
    members: dict[str, str | bytes] = {}
    for number, slide in enumerate(slides, 1):
        members[f"ppt/slides/slide{number}.xml"] = f"<p:sld {ns}>{slide}</p:sld>"
    for number, text in (notes or {}).items():
        members[f"ppt/notes{number}.xml"] = f"<p:notes {ns}>{text}</p:notes>"
        members[f"ppt/slides/_rels/slide{number}.xml.rels"] = _rels({"r1": ("notesSlide", f"../notes{number}.xml")})
    # Slides are shown in the order of the list, whatever their names.
    order = "".join(f'<p:sldId r:id="s{number}"/>' for number in range(len(slides), 0, -1))
    members["ppt/presentation.xml"] = f"<p:presentation {ns}>{order}</p:presentation>"
    members["ppt/_rels/presentation.xml.rels"] = _rels(
        {f"s{number}": ("slide", f"slides/slide{number}.xml") for number in range(1, len(slides) + 1)}
    )
    return _office("presentationml.presentation", "ppt/presentation.xml", members)


def shape(text: str, placeholder: str = "") -> str:
    ph = f'<p:nvPr><p:ph type="{placeholder}"/></p:nvPr>' if placeholder else ""
    return f"<p:sp>{ph}<a:p><a:r><a:t>{escape(text)}</a:t></a:r></a:p></p:sp>"


def sheet_members(sheet: str | bytes, strings: Iterable[str] = (), styles: str = "") -> dict[str, str | bytes]:
    ns = f'xmlns="{_OOXML}/spreadsheetml/2006/main" xmlns:r="{_OFFICE}"'
    head, tail = f"<worksheet {ns}><sheetData>", "</sheetData></worksheet>"
    whole = head.encode() + sheet + tail.encode() if isinstance(sheet, bytes) else head + sheet + tail
    return _office(
        "spreadsheetml.sheet",
        "xl/workbook.xml",
        {
            "xl/workbook.xml": f'<workbook {ns}><sheets><sheet name="Stock" r:id="r1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": _rels(
                {
                    "r1": ("worksheet", "sheet1.xml"),
                    "r2": ("sharedStrings", "strings.xml"),
                    "r3": ("styles", "styles.xml"),
                }
            ),
            "xl/sheet1.xml": whole,
            "xl/strings.xml": f"<sst {ns}>{''.join(f'<si><t>{escape(text)}</t></si>' for text in strings)}</sst>",
            "xl/styles.xml": f"<styleSheet {ns}>{styles}</styleSheet>",
        },
    )


def open_document_members(kind: str, body: str, before: str = "") -> dict[str, str | bytes]:
    """`kind` is text, spreadsheet or presentation."""
    names = ("office", "text", "table", "presentation")
    ns = " ".join(f'xmlns:{name}="{_ODF}:{name}:1.0"' for name in names) + f' xmlns:draw="{_ODF}:drawing:1.0"'
    return {
        "mimetype": f"application/vnd.oasis.opendocument.{kind}",
        "content.xml": f"{before}<office:document-content {ns}><office:body><office:{kind}>{body}</office:{kind}>"
        "</office:body></office:document-content>",
        "meta.xml": '<m xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>An open title</dc:title></m>',
    }


def epub_members(chapters: Sequence[str], spine: Sequence[int] | None = None) -> dict[str, str | bytes]:
    items = "".join(
        f'<item id="c{n}" href="ch%20{n}.xhtml" media-type="application/xhtml+xml"/>' for n in range(len(chapters))
    )
    refs = "".join(f'<itemref idref="c{n}"/>' for n in (spine if spine is not None else range(len(chapters))))
    return {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>',
        "OEBPS/book.opf": '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<metadata><dc:title>A book</dc:title></metadata><manifest>{items}</manifest><spine>{refs}</spine></package>",
        **{f"OEBPS/ch {n}.xhtml": text for n, text in enumerate(chapters)},
    }


def pdf(objects: Sequence[bytes], trailer: bytes = b"") -> bytes:
    """Of objects from number 1, the first being the catalogue."""
    out = bytearray(b"%PDF-1.7\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R %b >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, trailer, start)
    return bytes(out)


def stream(data: bytes, entries: bytes = b"", *, packed: bool = False) -> bytes:
    if packed:
        data, entries = zlib.compress(data, 9), entries + b" /Filter /FlateDecode"
    return b"<< /Length %d %b >>\nstream\n%b\nendstream" % (len(data), entries, data)


def text_on_page(*lines: str) -> bytes:
    shown = b" T* ".join(b"(%b) Tj" % line.encode("latin-1") for line in lines)
    return b"BT /F1 12 Tf 14 TL 72 720 Td %b ET" % shown


def pdf_of_pages(contents: Sequence[bytes], box: bytes = b"0 0 612 792") -> bytes:
    """A page for each content stream; each has a font F1 and a picture Im."""
    kids = b" ".join(b"%d 0 R" % (5 + 2 * number) for number in range(len(contents)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%b] /Count %d >>" % (kids, len(contents)),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        stream(
            b"\x00", b"/Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8"
        ),
    ]
    for number, content in enumerate(contents):
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [%b] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> /XObject << /Im 4 0 R >> >> >>" % (box, 6 + 2 * number)
        )
        objects.append(stream(content))
    return pdf(objects)


def encrypted_pdf() -> bytes:
    """One whose key nobody has, by the standard handler (ISO 32000-1, 7.6.3)."""
    key = b"<" + b"5a" * 32 + b">"
    handler = b"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O %b /U %b >> /ID [<00> <00>]" % (key, key)
    return pdf([b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [] /Count 0 >>"], handler)
