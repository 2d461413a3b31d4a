"""What a file is called, made harmless to show, to log and to save under. No path of ours is ever made of it."""

import re
import unicodedata

_FALLBACK = "document"
_LONGEST_BYTES = 200
_LONGEST_ENDING = 16
# What Windows refuses in a name, and HTML reads as its own.
_REFUSED = re.compile(r'[<>:"|?*\x00-\x1f]')
# Names of devices, whatever their ending (Windows).
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)
# Controls, marks of direction and other invisible ones, surrogates, what is private or no character, line ends.
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def clean_filename(given: str) -> str:
    """The last part of the path, if it is one, in composed form, with its ending, at most 200 bytes of UTF-8."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", given[-4096:]))[-1]
    seen = "".join(character for character in last if unicodedata.category(character) not in _INVISIBLE)
    name = re.sub(r"\s+", " ", _REFUSED.sub("_", seen)).strip(" .")
    if _DEVICE.match(name):
        name = f"_{name}"
    return _shortened(name) or _FALLBACK


def _shortened(name: str) -> str:
    if len(name.encode()) <= _LONGEST_BYTES:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending.encode()) > _LONGEST_ENDING:
        stem, dot, ending = name, "", ""
    room = _LONGEST_BYTES - len(f"{dot}{ending}".encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" .") + dot + ending
