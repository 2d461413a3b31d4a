"""Bytes to text."""

import codecs
import re
from typing import BinaryIO

from chatkeep.parsing.limits import Limits
from chatkeep.parsing.refusals import too_large
from chatkeep.parsing.transcript import Transcript

_MOST_BYTES_A_CHARACTER = 4
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Encodings that a document may name. Python knows codecs of other kinds too, such as `zip` and `idna`.
_NAMEABLE = re.compile(
    r"(?:utf-?8|us-ascii|ascii|iso[-_]?8859[-_]?\d{1,2}|latin-?1|windows-?125\d|cp125\d|koi8-[ru]|shift[-_]?jis|euc-(?:jp|kr)"
    r"|iso-2022-jp|gb2312|gbk|gb18030|big5|tis-620|macintosh)",
    re.IGNORECASE,
)


def decoded_file(file: BinaryIO, transcript: Transcript, limits: Limits) -> str:
    """The whole of a text file.

    Raises:
        Unreadable: `too_large`.
    """
    file.seek(0)
    data = file.read(limits.characters * _MOST_BYTES_A_CHARACTER + 1)
    if len(data) > limits.characters * _MOST_BYTES_A_CHARACTER:
        raise too_large(f"It has more text ({limits.characters:,} characters)")
    text, guessed = decoded(data)
    if guessed:
        transcript.notice("The text is not UTF-8 and was read as Western European (Windows-1252).")
    return text


def decoded(data: bytes, named: str | None = None) -> tuple[str, bool]:
    """By its byte order mark, else as UTF-8 if it is that, else by the encoding that the document names, else as
    Windows-1252; and whether that last was done.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace"), False
    try:
        # Japanese mail is in ASCII and escapes, and so would be UTF-8 too.
        return data.decode("iso-2022-jp" if (named or "").lower() == "iso-2022-jp" else "utf-8"), False
    except UnicodeDecodeError:
        pass
    if named and _NAMEABLE.fullmatch(named):
        return data.decode(named, "replace"), False
    return data.decode("cp1252", "replace"), True
