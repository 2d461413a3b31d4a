"""What may be a password (NIST SP 800-63B-4, section 3.1.1.2).

Length and a list of what attackers try first; no composition rules. Normalised once, here, for hashing and verifying
alike: the OpaqueString profile of RFC 8265, section 4.2 (every kind of space becomes U+0020, then NFC), so that the
same keys typed on another system are the same password.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files

from authkeep.errors import UnacceptablePassword

MIN_LENGTH = 15
MAX_LENGTH = 1024

# What fingers do: walked forwards or backwards, any stretch of these is a guess, not a secret.
_WALKS = (
    "abcdefghijklmnopqrstuvwxyz",
    "0123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "1q2w3e4r5t6y7u8i9o0p",
    "qazwsxedcrfvtgbyhnujmikolp",
    "qwerty1234567890",
    "1234567890qwertyuiop",
)
_MIN_WALK = 4
# The first steps of every walk, those over its end too: most texts are no walk, and this tells without a search.
_STEPS = frozenset(
    line[start : start + _MIN_WALK]
    for walk in _WALKS
    for line in (walk * 2, walk[::-1] * 2)
    for start in range(len(walk))
)
_LOOKALIKES = str.maketrans("@4$50317!", "aassoelti")
_MAX_UNIT = 16
_MAX_PAD = 4
_MIN_CORE = 8
_MIN_DISTINCT = 5


def normalize_password(password: str) -> str:
    """The form that is hashed, and that length is counted in.

    Raises:
        UnacceptablePassword: it is too long, which only this form can tell.
    """
    # Before NFC, which takes quadratic time over combining marks and shortens no text to less than a quarter.
    if len(password) > 4 * MAX_LENGTH:
        raise _too_long(password)
    spaced = "".join(" " if unicodedata.category(char) == "Zs" else char for char in password)
    text = unicodedata.normalize("NFC", spaced)
    if len(text) > MAX_LENGTH:
        raise _too_long(text)
    return text


def _too_long(text: str) -> UnacceptablePassword:
    return UnacceptablePassword(f"Use at most {MAX_LENGTH} characters (this one has {len(text)}).")


def check_password(password: str, *, personal: Iterable[str] = ()) -> None:
    """Accept a new password, or say what to do about it.

    `personal` are the user's e-mail address and name and the product's name, none of which may be the password.

    Raises:
        UnacceptablePassword: it is too short, too long, common or personal.
    """
    text = normalize_password(password)
    if len(text) < MIN_LENGTH:
        raise UnacceptablePassword(
            f"Use at least {MIN_LENGTH} characters (this one has {len(text)}): four random words are easy to remember."
        )
    if any(0xD800 <= ord(char) <= 0xDFFF for char in text):
        raise UnacceptablePassword("This password contains half a character. Type it again.")
    readings = (_fold(text), _fold(_without_lookalikes(text)))
    own = {part for value in personal for part in _parts_of(value)}
    cores = {core for reading in readings for core in _cores_of(reading)}
    if any(_is_guessable(core, own) for core in cores):
        raise UnacceptablePassword(
            "This password is your own name or e-mail address, or this product's name. Use words nobody expects of you."
        )
    if len(set(_compatible(text))) < _MIN_DISTINCT:
        raise UnacceptablePassword(
            "This password repeats a few characters, which attackers try first. Use four random words."
        )
    if any(_is_guessable(core, _common()) or _is_trivial(core) for core in cores):
        raise UnacceptablePassword(
            "This password is on the list that attackers try first. Use four random words, or a password manager."
        )


def _fold(text: str) -> str:
    """Case, width and punctuation make no difference to a guesser."""
    folded = _compatible(text)
    return "".join(char for char in folded if char.isalnum()) or folded


def _compatible(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _cores_of(text: str) -> Iterator[str]:
    """The text, and what is left of it without a few characters at either end.

    A core is at least twice as long as what was cut off: one short common word among others is a passphrase.
    """
    yield text
    for start in range(_MAX_PAD + 1):
        for end in range(_MAX_PAD + 1):
            core = text[start : len(text) - end]
            if len(core) >= max(_MIN_CORE, 2 * (start + end)):
                yield core


def _without_lookalikes(text: str) -> str:
    """P@55w0rd as the word it stands for; digits at either end are padding, not letters."""
    core = text.strip("0123456789")
    return text.replace(core, core.translate(_LOOKALIKES), 1) if core else text


def _parts_of(value: str) -> set[str]:
    local, _, domain = value.rpartition("@")
    parts = {value, local, domain, domain.partition(".")[0]} if local else {value}
    return {folded for part in parts if len(folded := _fold(part)) >= 3}


def _is_guessable(text: str, known: frozenset[str] | set[str]) -> bool:
    """The whole text is a known one, repeated, or padded with something trivial; or a repetition of such a thing."""
    unit = _unit_of(text)
    if text in known or unit in known:
        return True
    core = text.strip("0123456789")
    if core and core != text and (core in known or _unit_of(core) in known):
        return all(len(pad) <= _MAX_PAD or _is_trivial(pad) for pad in text.split(core, 1))
    return unit != text and _is_guessable(unit, known)


def _is_trivial(text: str) -> bool:
    unit = _unit_of(text)
    return (len(unit) <= 4 and 2 * len(unit) <= len(text)) or _is_walk(text) or _is_walk(unit)


def _is_walk(text: str) -> bool:
    if text[:_MIN_WALK] not in _STEPS:
        return False
    turns = len(text)
    return any(
        text in line
        for walk in _WALKS
        for line in (walk * (turns // len(walk) + 2), walk[::-1] * (turns // len(walk) + 2))
    )


def _unit_of(text: str) -> str:
    """The shortest piece that the text repeats, cut off anywhere; the text itself if it repeats nothing."""
    for length in range(1, min(len(text) - 1, _MAX_UNIT) + 1):
        if (text[:length] * (len(text) // length + 1)).startswith(text):
            return text[:length]
    return text


@cache
def _common() -> frozenset[str]:
    listed = files("authkeep").joinpath("common_passwords.txt").read_text("utf-8")
    return frozenset(_fold(line) for line in re.findall(r"^(?!#)\S.*$", listed, re.MULTILINE))
