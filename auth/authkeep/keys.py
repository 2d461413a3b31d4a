"""Signing keys: Ed25519 with a `kid`, kept in one file that only its owner can read.

The file is a JSON object: `keys`, private JWKs of which the first signs and all verify (so a rotation can overlap),
and `root`, 32 random bytes from which purposes other than signing derive keys of their own.
"""

import contextlib
import json
import os
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

ALGORITHM: Literal["Ed25519"] = "Ed25519"
_MAX_KEYS = 2


class SigningKeys:
    """At most two keys: the one that signs, and during a rotation the one that did or will.

    Raises:
        ValueError: no key, too many, one that is not private Ed25519, or a root that is too short.
    """

    def __init__(self, keys: Sequence[OKPKey], root: bytes) -> None:
        if not 1 <= len(keys) <= _MAX_KEYS:
            raise ValueError(f"there must be one or two signing keys, not {len(keys)}")
        if any(key.curve_name != ALGORITHM or not key.is_private for key in keys):
            raise ValueError("every signing key must be a private Ed25519 key")
        if len(root) < 32:
            raise ValueError("root must be at least 32 bytes")
        self._keys = {key.thumbprint(): key for key in keys}
        self._root = root
        self.signing_kid = keys[0].thumbprint()

    @property
    def signing_key(self) -> OKPKey:
        return self._keys[self.signing_kid]

    def find(self, kid: str) -> OKPKey | None:
        """The key with this id. One key means one algorithm: the header of a token never chooses it."""
        return self._keys.get(kid)

    def jwks(self) -> dict[str, list[dict[str, Any]]]:
        """The public halves, as RFC 7517, section 5."""
        return {
            "keys": [
                {**key.as_dict(private=False), "kid": kid, "alg": ALGORITHM, "use": "sig"}
                for kid, key in self._keys.items()
            ]
        }

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose (RFC 5869); they outlive a rotation of the signing keys."""
        return HKDF(SHA256(), 32, salt=None, info=f"authkeep {purpose}".encode()).derive(self._root)

    @classmethod
    def generate(cls) -> Self:
        return cls([OKPKey.generate_key(ALGORITHM)], secrets.token_bytes(32))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a key file.

        Raises:
            OSError: the file cannot be read.
            ValueError: others can read it, or it is not a key file.
        """
        mode = stat.S_IMODE(path.stat().st_mode)
        if os.name == "posix" and mode & 0o077:
            raise ValueError(f"{path} holds private keys but has mode {mode:04o}: run chmod 600 on it")
        try:
            stored = json.loads(path.read_bytes())
            keys = [OKPKey.import_key(jwk) for jwk in stored["keys"]]
            return cls(keys, urlsafe_b64decode(stored["root"].encode("ascii")))
        except (ValueError, KeyError, TypeError, AttributeError, JoseError) as error:
            # The message must not quote the file: it is made of secrets.
            raise ValueError(f"{path} is not a key file of authkeep ({type(error).__name__})") from None

    @classmethod
    def load_or_create(cls, path: Path) -> Self:
        """As `load`; a file that does not exist is created with mode 0600."""
        if not path.exists():
            cls.generate().create_file(path)
        return cls.load(path)

    def create_file(self, path: Path) -> None:
        """Write these keys where no file is yet; where one is, it stays as it is."""
        keys = [key.as_dict(private=True) for key in self._keys.values()]
        content = json.dumps({"keys": keys, "root": urlsafe_b64encode(self._root).decode()}, indent=2)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                # A hard link appears whole or not at all, so processes that start at once end with the same keys.
                os.link(draft, path)
        finally:
            draft.unlink()
