"""Tokens whose signature this process has checked before, so that the next request costs microseconds.

Only a token that verified gets in, so what an attacker invents can neither fill it nor push anybody else out. What
is remembered is that the signature was good and what it covered; expiry and the key are asked each time, and
revocation is the caller's next question.
"""

import hashlib

from authkeep.access_tokens import MAX_LENGTH, AccessTokens, VerifiedToken
from authkeep.keys import SigningKeys

# About a kilobyte each.
CAPACITY = 10_000


class VerifiedTokens:
    """A cache in front of `AccessTokens.verify`, bounded; the entry that came first leaves first."""

    def __init__(self, access_tokens: AccessTokens, keys: SigningKeys, *, capacity: int = CAPACITY) -> None:
        self._access_tokens = access_tokens
        self._keys = keys
        self._capacity = capacity
        self._known: dict[bytes, VerifiedToken] = {}

    def __len__(self) -> int:
        return len(self._known)

    def verify(self, token: str, *, now: float) -> VerifiedToken:
        """As `AccessTokens.verify`.

        Raises:
            InvalidToken: for whatever reason.
        """
        known = self.find(token, now=now)
        if known is not None:
            return known
        verified = self._access_tokens.verify(token, now=now)
        if len(self._known) >= self._capacity:
            del self._known[next(iter(self._known))]
        self._known[_digest(token)] = verified
        return verified

    def find(self, token: str, *, now: float) -> VerifiedToken | None:
        """What is known of a token that is still good; None says nothing but that `verify` has to be asked."""
        if len(token) > MAX_LENGTH:
            return None
        digest = _digest(token)
        known = self._known.get(digest)
        if known is None:
            return None
        if now < known.expires_at and self._keys.find(known.kid, now) is not None:
            return known
        del self._known[digest]
        return None


def _digest(token: str) -> bytes:
    # Only this is kept: a dump of this process's memory should not be a list of credentials.
    return hashlib.blake2b(token.encode("utf-8", "surrogatepass"), digest_size=32).digest()
