"""Refresh tokens: one lineage per login, rotated on every use (RFC 9700, section 4.14.2).

A token is `akr_` + base64url(sid 16 B | secret 32 B | seal 16 B) + CRC-32, 96 characters. Only its SHA-256 is stored.

The successor of a token is an HMAC over the token and a nonce that is stored when it is rotated. So within the
grace window the same parent yields the same successor again, while neither the database alone nor a stolen parent
alone yields anything. If that successor has been rotated too, the walk goes on to the token that is current: two
tabs that refresh across each other end with one and the same token.

The seal, a MAC under a key of this deployment, tells a token that was once ours from an invention. Without it,
anybody who has seen a `sid` could end that login by presenting rubbish; with it, no ancestor has to be stored to
recognise its reuse.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import uuid
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from typing_extensions import override

from authkeep.errors import InvalidRefreshToken
from authkeep.store import Ancestor, EndReason, Login, Revocation, Rotation

PREFIX = "akr_"
LENGTH = 96
_BODY = 64
_SECRET = slice(16, 48)
_MAX_RECENT = 32


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """Attributes:
    sid: the login this token claims to belong to.
    text: the whole token; a credential, hence not in `repr`.
    """

    sid: str
    text: str

    @override
    def __repr__(self) -> str:
        return f"RefreshToken(sid={self.sid!r})"

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.text.encode("ascii")).hexdigest()


class RefreshTokens:
    """Makes and reads tokens; knows the keys, not the database."""

    def __init__(self, derive: Callable[[str], bytes]) -> None:
        self._seal_key = derive("refresh token seal")
        self._successor_key = derive("refresh token successor")

    def issue(self, sid: str) -> RefreshToken:
        return self._assemble(sid, secrets.token_bytes(32))

    def parse(self, text: str) -> RefreshToken:
        """Check form, checksum and seal, before any database is asked.

        Raises:
            InvalidRefreshToken: this deployment never issued it.
        """
        if len(text) != LENGTH or not text.startswith(PREFIX) or not text.isascii():
            raise InvalidRefreshToken
        try:
            body = base64.b64decode(text[len(PREFIX) : -6] + "==", b"-_", validate=True)
            sid = str(uuid.UUID(bytes=body[:16]))
        except (binascii.Error, ValueError):
            raise InvalidRefreshToken from None
        expected = self._assemble(sid, body[_SECRET])
        if not hmac.compare_digest(text, expected.text):
            raise InvalidRefreshToken
        return expected

    def successor(self, token: RefreshToken, nonce: str) -> RefreshToken:
        secret = hmac.digest(self._successor_key, token.text.encode("ascii") + bytes.fromhex(nonce), "sha256")
        return self._assemble(token.sid, secret)

    def _assemble(self, sid: str, secret: bytes) -> RefreshToken:
        sealed = uuid.UUID(sid).bytes + secret
        body = sealed + hmac.digest(self._seal_key, sealed, "sha256")[: _BODY - len(sealed)]
        encoded = _encode(body)
        return RefreshToken(sid, f"{PREFIX}{encoded}{_encode(zlib.crc32(encoded.encode()).to_bytes(4, 'big'))}")


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


@dataclass(frozen=True, slots=True)
class RotationRules:
    """The policy; pure. `remember` is how long the access tokens of an ended login must be refused."""

    tokens: RefreshTokens
    grace: timedelta
    grace_uses: int
    idle: timedelta
    remember: timedelta

    def decide(
        self, login: Login, presented: RefreshToken, *, now: datetime, nonce: str, revocation_id: str
    ) -> Rotation:
        """What a presented token, whose seal is good, does to its login.

        `nonce` is 16 random bytes, hex, for the successor if there is to be one.
        """
        if login.ended_at is not None or now >= min(login.idle_expires_at, login.expires_at):
            return Rotation(login, None)
        if hmac.compare_digest(presented.hash, login.token_hash):
            return self._rotate(login, presented, now, nonce)
        head = self._current_from(login, presented, now)
        if head is not None and self._uses_of(login, presented) >= self.grace_uses:
            # Many tabs that wake at once look like this, and a thief gains nothing: no token is handed out.
            return Rotation(login, None, too_often=True)
        if head is not None:
            return Rotation(_count_use(login, presented.hash), head.text)
        ended = replace(login, ended_at=now, end_reason=EndReason.REUSED, recent=())
        return Rotation(ended, None, Revocation(revocation_id, login.sid, login.user_id, None, now + self.remember))

    def _rotate(self, login: Login, presented: RefreshToken, now: datetime, nonce: str) -> Rotation:
        successor = self.tokens.successor(presented, nonce)
        recent = [ancestor for ancestor in login.recent if now - ancestor.rotated_at <= self.grace]
        recent.append(Ancestor(presented.hash, nonce, now, 0))
        rotated = replace(
            login,
            token_hash=successor.hash,
            recent=tuple(recent[-_MAX_RECENT:]),
            last_used_at=now,
            idle_expires_at=min(now + self.idle, login.expires_at),
        )
        return Rotation(rotated, successor.text)

    def _current_from(self, login: Login, presented: RefreshToken, now: datetime) -> RefreshToken | None:
        ancestors = {ancestor.token_hash: ancestor for ancestor in login.recent}
        first = ancestors.get(presented.hash)
        if first is None or now - first.rotated_at > self.grace:
            return None
        token = presented
        while (ancestor := ancestors.get(token.hash)) is not None:
            token = self.tokens.successor(token, ancestor.nonce)
        return token if token.hash == login.token_hash else None

    @staticmethod
    def _uses_of(login: Login, presented: RefreshToken) -> int:
        return next(ancestor.uses for ancestor in login.recent if ancestor.token_hash == presented.hash)


def _count_use(login: Login, token_hash: str) -> Login:
    recent = [replace(a, uses=a.uses + 1) if a.token_hash == token_hash else a for a in login.recent]
    return replace(login, recent=tuple(recent))
