"""How files are spoken of: names that cannot disguise themselves, and sizes."""

import unicodedata
from typing import Final

# Controls that turn the direction of what follows, lines that break a line, and whatever else is not seen. The two
# joiners are: Persian, Hindi and emoji are written with them.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_MARK: Final = "\ufffd"
_JOINERS: Final = "\u200c\u200d"
_STEP: Final = 1000


def visible(text: str) -> str:
    """`text` with a mark for each character that is not seen: a name that reads `invoice.pdf` because a control turns a
    part of it around must not pass for that.
    """
    return "".join(_MARK if unicodedata.category(each) in _UNSEEN and each not in _JOINERS else each for each in text)


def spoken_bytes(size: int) -> str:
    """`812 bytes`, `14 kB`, `3.4 MB`."""
    if size < _STEP:
        return f"{size} bytes"
    shown, unit = size / _STEP, "kB"
    for larger in ("MB", "GB", "TB"):
        if shown < _STEP:
            break
        shown, unit = shown / _STEP, larger
    return f"{shown:.1f} {unit}" if shown < 10 and unit != "kB" else f"{shown:.0f} {unit}"
