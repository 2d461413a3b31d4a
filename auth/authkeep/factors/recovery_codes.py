"""Recovery codes: what opens an account when the phone is gone. Each works once.

Eighty random bits, in Crockford's base 32, which has no I, L, O or U: `7k3m-90xq-bv2d-t5wh`. Nobody guesses one, so
a fast hash keeps them as well as a slow one would; it is keyed with what lies outside of the database, and bound to the
user.
"""

import hmac
import re
import secrets
from collections.abc import Callable

COUNT = 10
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH = 16
_GROUP = 4
_CODE = re.compile(f"[{_ALPHABET}]{{{_LENGTH}}}", re.ASCII)
_MAX_TYPED = 64
# What people read into the letters that are not there.
_LOOKALIKES = str.maketrans("oil", "011")


class RecoveryCodes:
    """Makes and recognises them."""

    def __init__(self, derive: Callable[[str], bytes]) -> None:
        self._key = derive("recovery codes")

    def make(self, user_id: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Ten codes as their user is to see them, and their hashes."""
        codes = ["".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH)) for _ in range(COUNT)]
        return tuple(map(_grouped, codes)), tuple(self._hash(user_id, code) for code in codes)

    def hash(self, user_id: str, typed: str) -> str | None:
        """The hash of a code as it was typed; None when it cannot be one."""
        plain = "".join(typed[:_MAX_TYPED].lower().replace("-", " ").split()).translate(_LOOKALIKES)
        return self._hash(user_id, plain) if _CODE.fullmatch(plain) else None

    def _hash(self, user_id: str, code: str) -> str:
        return hmac.digest(self._key, f"{user_id}:{code}".encode(), "sha256").hex()


def _grouped(code: str) -> str:
    return "-".join(code[start : start + _GROUP] for start in range(0, _LENGTH, _GROUP))
