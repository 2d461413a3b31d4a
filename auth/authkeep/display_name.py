"""What people may call themselves: text that others will see in lists."""

import unicodedata

from authkeep.errors import InvalidName

MAX_LENGTH = 100
# Controls, lone surrogates, line and paragraph separators, and format characters: some of those turn the direction of
# whatever follows the name, the others hide inside it.
_UNFIT = frozenset({"Cc", "Cs", "Zl", "Zp", "Cf"})
# Persian and Indic words need them, and so do emoji made of several.
_JOINERS = "\u200c\u200d"
# Letters and symbols to Unicode, blank to the eye: the Hangul fillers and the Braille pattern without dots.
_BLANK = "\u115f\u1160\u3164\uffa0\u2800"


def clean_name(name: str) -> str:
    """A name fit to be shown in a list and stored in any database; empty when there is nothing to see.

    Raises:
        InvalidName: too long, or it contains control, format or direction-changing characters.
    """
    # Before NFC, which takes quadratic time over combining marks and shortens no text to less than a quarter.
    if len(name) > 4 * MAX_LENGTH:
        raise _too_long()
    cleaned = unicodedata.normalize("NFC", name).strip()
    if len(cleaned) > MAX_LENGTH:
        raise _too_long()
    if any(unicodedata.category(char) in _UNFIT and char not in _JOINERS for char in cleaned):
        raise InvalidName("The name contains characters that cannot be shown.")
    return cleaned if any(_is_visible(char) for char in cleaned) else ""


def _too_long() -> InvalidName:
    return InvalidName(f"Use at most {MAX_LENGTH} characters for the name.")


def _is_visible(char: str) -> bool:
    return unicodedata.category(char)[0] in "LNPS" and char not in _BLANK
