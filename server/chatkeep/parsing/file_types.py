"""What a file is: by its bytes. Its name's ending only chooses between kinds of text."""

import re
from typing import BinaryIO, Final

from chatkeep.parsing.archive import Archive
from chatkeep.parsing.chunks import MediaType, Unreadable
from chatkeep.parsing.limits import Limits
from chatkeep.parsing.refusals import encrypted, unsupported

PDF: Final = MediaType("application/pdf")
DOCX: Final = MediaType("application/vnd.openxmlformats-officedocument.wordprocessingml.document")
PPTX: Final = MediaType("application/vnd.openxmlformats-officedocument.presentationml.presentation")
XLSX: Final = MediaType("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
ODT: Final = MediaType("application/vnd.oasis.opendocument.text")
ODS: Final = MediaType("application/vnd.oasis.opendocument.spreadsheet")
ODP: Final = MediaType("application/vnd.oasis.opendocument.presentation")
EPUB: Final = MediaType("application/epub+zip")
HTML: Final = MediaType("text/html")
MARKDOWN: Final = MediaType("text/markdown")
CSV: Final = MediaType("text/csv")
MAIL: Final = MediaType("message/rfc822")
TEXT: Final = MediaType("text/plain")

_HEAD = 8192
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")

# How a file begins, and what it then is, for a message that helps. The first are text that no reader could read.
_MARKED_TEXT = (
    (b"{\\rtf", "a file in Rich Text Format", "Save it as DOCX, ODT or PDF."),
    (b"%!PS", "a PostScript file", "Save it as PDF."),
)
_BINARY = (
    (b"\x89PNG", "a picture", "Only text can be read, not pictures of it."),
    (b"\xff\xd8\xff", "a picture", "Only text can be read, not pictures of it."),
    (b"GIF8", "a picture", "Only text can be read, not pictures of it."),
    (b"II*\x00", "a picture", "Only text can be read, not pictures of it."),
    (b"MM\x00*", "a picture", "Only text can be read, not pictures of it."),
    (b"\x1f\x8b", "a compressed file", "Unpack it and upload what is in it."),
    (b"BZh", "a compressed file", "Unpack it and upload what is in it."),
    (b"\xfd7zXZ", "a compressed file", "Unpack it and upload what is in it."),
    (b"7z\xbc\xaf", "a compressed file", "Unpack it and upload what is in it."),
    (b"Rar!", "a compressed file", "Unpack it and upload what is in it."),
    (b"\x7fELF", "a program", "Only documents can be read."),
    (b"MZ", "a program", "Only documents can be read."),
)

_ENDINGS = {
    "md": MARKDOWN,
    "markdown": MARKDOWN,
    "mdown": MARKDOWN,
    "htm": HTML,
    "html": HTML,
    "xhtml": HTML,
    "csv": CSV,
    "tsv": CSV,
    "eml": MAIL,
}
_BEGINS_AS_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]{0,200}\?>\s*)?<(?:!doctype\s+html|html)\b", re.IGNORECASE
)
_NEVER_IN_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")

_MAIN_PARTS = {
    "wordprocessingml.document": DOCX,
    "wordprocessingml.template": DOCX,
    "ms-word.document": DOCX,
    "ms-word.template": DOCX,
    "presentationml.presentation": PPTX,
    "presentationml.slideshow": PPTX,
    "presentationml.template": PPTX,
    "ms-powerpoint.presentation": PPTX,
    "ms-powerpoint.slideshow": PPTX,
    "spreadsheetml.sheet": XLSX,
    "spreadsheetml.template": XLSX,
    "ms-excel.sheet": XLSX,
}
_MAIN_PART = re.compile(
    rb"application/vnd\.(?:openxmlformats-officedocument\.)?([\w.-]{1,60}?)(?:\.macroEnabled)?\.main\+xml"
)
_BY_MIMETYPE = {kind.encode(): kind for kind in (ODT, ODS, ODP, EPUB)}


def file_type(file: BinaryIO, ending: str, limits: Limits) -> MediaType:
    """`ending` of the name in small letters, without the dot. Leaves the file at some position.

    Raises:
        Unreadable: `unsupported_type`, `encrypted`; of an archive also `damaged` and `too_large`.
    """
    file.seek(0)
    head = file.read(_HEAD)
    if head.startswith(b"PK\x03\x04"):
        return _packed(Archive(file, limits))
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"%PDF-"):
        return PDF
    if head.startswith(_OLE):
        raise _older_office(file)
    is_binary = not head.startswith(_UTF16) and len(_NEVER_IN_TEXT.findall(head)) * 100 > len(head)
    for beginning, what, instead in _BINARY if is_binary else _MARKED_TEXT:
        if head.startswith(beginning):
            raise unsupported(what, instead)
    if is_binary:
        raise unsupported("no kind of document that is known here")
    if _BEGINS_AS_HTML.match(head):
        return HTML
    return _ENDINGS.get(ending, TEXT)


def _packed(archive: Archive) -> MediaType:
    """What an archive holds. One that is two things at once is neither.

    Raises:
        Unreadable
    """
    found = set()
    if archive.has("[Content_Types].xml"):
        parts = _MAIN_PART.findall(archive.read("[Content_Types].xml"))
        found = {_MAIN_PARTS[name] for part in parts if (name := part.decode()) in _MAIN_PARTS}
    if archive.has("mimetype"):
        kind = _BY_MIMETYPE.get(archive.read("mimetype").strip())
        found |= {kind} if kind else set()
    if len(found) != 1:
        raise unsupported("a ZIP archive", "Unpack it and upload the documents in it.")
    return found.pop()


def _older_office(file: BinaryIO) -> Unreadable:
    file.seek(0)
    if _OLE_ENCRYPTED in file.read():
        return encrypted()
    return unsupported("a file of an older office program", "Save it as DOCX, XLSX or PPTX and upload that.")
