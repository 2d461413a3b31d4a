"""Signing keys as a host holds them: loaded from a file, rotated, and replaced in a running process.

The file is a JSON object: `keys`, private JWKs, oldest first, with the times that a rotation wrote down; and `root`,
32 random bytes from which purposes other than signing derive keys of their own.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from authkeep.clock import Clock, SystemClock
from authkeep.key_file import KeyFile
from authkeep.key_ring import ED25519, Algorithm, KeyRing, SigningKey

RELOAD_SECONDS = 2.0
_log = logging.getLogger("authkeep.keys")


class SigningKeys:
    """At most two keys: the one that signs, and during a rotation the one that did or will.

    Args:
        file: where the ring was read from; None for keys that live in this process alone and do not rotate.
        algorithm: of new keys. Where it is not that of the newest key, a rotation brings one.
    """

    def __init__(self, ring: KeyRing, file: KeyFile | None = None, *, algorithm: Algorithm = ED25519) -> None:
        self.ring = ring
        self._file = file
        self._algorithm = algorithm
        self._stamp: tuple[int, int, int] | None = None
        self._complaint = ""

    @classmethod
    def generate(cls, algorithm: Algorithm = ED25519, *, clock: Clock | None = None) -> "SigningKeys":
        """Keys that end with the process."""
        return cls(KeyRing.generate(algorithm, (clock or SystemClock()).seconds()), algorithm=algorithm)

    @classmethod
    def load(cls, path: Path, *, algorithm: Algorithm = ED25519) -> "SigningKeys":
        """Read a key file.

        Raises:
            OSError: the file cannot be read.
            ValueError: others can read it, or it is not a key file.
        """
        file = KeyFile(path)
        stamp = file.stamp()
        keys = cls(_read(file), file, algorithm=algorithm)
        keys._stamp = stamp
        return keys

    @classmethod
    def load_or_create(cls, path: Path, *, algorithm: Algorithm = ED25519, clock: Clock | None = None) -> "SigningKeys":
        """As `load`; a file that does not exist is created with mode 0600."""
        if not path.exists():
            KeyFile(path).create(cls.generate(algorithm, clock=clock).ring.stored())
        return cls.load(path, algorithm=algorithm)

    def find(self, kid: str, now: float) -> SigningKey | None:
        """The key with this id, while it verifies. `now` is in Unix seconds."""
        for key in self.ring.keys:
            if key.kid == kid and now < key.verifies_until:
                return key
        return None

    def signing(self, now: float) -> SigningKey:
        """The key that signs."""
        return self.ring.signing(now)

    def jwks(self, now: float) -> dict[str, list[dict[str, Any]]]:
        """The public halves (RFC 7517, section 5), also of a key that does not sign yet. Of HS256 there is none."""
        published = (key.published() for key in self.ring.live(now))
        return {"keys": [jwk for jwk in published if jwk is not None]}

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose (RFC 5869); they outlive a rotation of the signing keys."""
        return HKDF(SHA256(), 32, salt=None, info=f"authkeep {purpose}".encode()).derive(self.ring.root)

    def rotate(self, now: float) -> None:
        """Begin a rotation; it goes on by itself, in every process that reads the file.

        Raises:
            RotationUnderWay: the last one is not over.
            OSError, ValueError: the file cannot be read or written.
        """
        self._change(lambda ring: ring.rotated(self._algorithm, now))

    def replace(self, now: float) -> None:
        """One new key at once: for a key that is not to be trusted. Every access token ends; logins refresh.

        Raises:
            OSError, ValueError: the file cannot be read or written.
        """
        self._change(lambda ring: ring.replaced(self._algorithm, now))

    def refresh(self, now: float, rotate_every: timedelta | None = None) -> None:
        """Take over what others wrote into the file, and rotate when it is time. Where that fails, the keys that are
        known stay, and the log says so once.
        """
        try:
            self._reload()
            if self._is_due(self.ring, now, rotate_every):
                self._change(lambda ring: self._rotated_if_due(ring, now, rotate_every))
        except (OSError, ValueError) as error:
            if str(error) != self._complaint:
                _log.warning("The signing keys stay as they were: %s", error)
            self._complaint = str(error)
        else:
            self._complaint = ""

    @contextlib.asynccontextmanager
    async def kept_fresh(self, clock: Clock, rotate_every: timedelta | None) -> AsyncIterator[None]:
        """`refresh` now and on a timer. Without a file there is nothing to do."""
        if self._file is None:
            yield
            return
        task = asyncio.create_task(self._keep_fresh(clock, rotate_every), name="authkeep keys")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _keep_fresh(self, clock: Clock, rotate_every: timedelta | None) -> None:
        while True:
            # In a thread: the disk, or whoever holds the lock, may take its time.
            await asyncio.to_thread(self.refresh, clock.seconds(), rotate_every)
            await asyncio.sleep(RELOAD_SECONDS)

    def _is_due(self, ring: KeyRing, now: float, rotate_every: timedelta | None) -> bool:
        newest = ring.newest
        aged = rotate_every is not None and now - newest.created_at >= rotate_every.total_seconds()
        return (aged or newest.algorithm != self._algorithm) and len(ring.live(now)) == 1

    def _rotated_if_due(self, ring: KeyRing, now: float, rotate_every: timedelta | None) -> KeyRing:
        # Asked again under the lock: of several processes whose time has come at once, one rotates.
        if not self._is_due(ring, now, rotate_every):
            return ring
        _log.info("The signing keys rotate: the public keys have a new one, which signs in a few minutes")
        return ring.rotated(self._algorithm, now)

    def _reload(self) -> None:
        if self._file is None or (stamp := self._file.stamp()) == self._stamp:
            return
        ring = _read(self._file)
        if ring.root != self.ring.root:
            raise ValueError(f"{self._file.path} has another root: restart to use it")
        self.ring, self._stamp = ring, stamp

    def _change(self, change: Callable[[KeyRing], KeyRing]) -> None:
        if self._file is None:
            self.ring = change(self.ring)
            return
        with self._file.locked():
            self._reload()
            changed = change(self.ring)
            if changed is not self.ring:
                self._file.replace(changed.stored())
                self._reload()


def _read(file: KeyFile) -> KeyRing:
    content = file.read()
    try:
        return KeyRing.read(content)
    except ValueError as error:
        raise ValueError(f"{file.path} is {error}") from None
