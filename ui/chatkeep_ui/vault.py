"""Where access tokens wait: page cookie -> sign-in, in this process's memory and nowhere else.

The event loop writes (`renewal.py`), Streamlit's script threads read; one lock covers both.

A page cookie counts only beside the refresh cookie it was minted for. Otherwise somebody who can plant a cookie could
plant the key of a sign-in of their own and wait for the victim's token to be filed under it (session fixation).
"""

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class SignIn:
    """One browser's sign-in.

    `renew_at` and `expires_at` are on the vault's clock. `refresh_digests` are those of the refresh token it came with,
    first, and of the ones before, which a request that was under way during the rotation may still carry.
    `set_cookies` bring the newest one to the browser; they are kept until it has shown that it got them.
    `forwarded_for` is the chain of addresses the browser came through.
    """

    access_token: str = field(repr=False)
    renew_at: float
    expires_at: float
    refresh_digests: tuple[bytes, ...] = field(repr=False)
    user_id: str = ""
    forwarded_for: str = ""
    set_cookies: tuple[str, ...] = field(repr=False, default=())


def digest(refresh_token: str) -> bytes:
    """What the vault keeps of a refresh token: enough to recognise it, too little to use it."""
    return hashlib.sha256(refresh_token.encode()).digest()


class Vault:
    """A bounded map; the sign-in that was used longest ago gives way, and simply renews when it comes back.

    Each user's share is bounded too: whoever opens one after the other drives out nobody else.
    """

    def __init__(
        self, *, capacity: int = 10_000, per_user: int = 20, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.clock = clock
        self._capacity = capacity
        self._per_user = per_user
        self._lock = threading.Lock()
        self._sign_ins: OrderedDict[str, SignIn] = OrderedDict()
        # user id -> that user's keys, the one used longest ago first.
        self._keys: dict[str, OrderedDict[str, None]] = {}

    def open(self, sign_in: SignIn) -> str:
        """File `sign_in` under a new key and return the key."""
        key = secrets.token_urlsafe(32)
        with self._lock:
            self._sign_ins[key] = sign_in
            keys = self._keys.setdefault(sign_in.user_id, OrderedDict())
            keys[key] = None
            if len(keys) > self._per_user:
                self._drop(next(iter(keys)))
            if len(self._sign_ins) > self._capacity:
                self._drop(next(iter(self._sign_ins)))
        return key

    def renew(self, key: str, refresh_token: str, sign_in: SignIn) -> bool:
        """Replace what lies under `key`; False when nothing does, or `refresh_token` does not belong to it."""
        known = digest(refresh_token)
        with self._lock:
            old = self._sign_ins.get(key)
            if old is None or known not in old.refresh_digests or old.user_id != sign_in.user_id:
                return False
            newest = sign_in.refresh_digests[0]
            # The browser may still send what it came with, or what was on its way to it.
            before = dict.fromkeys((known, old.refresh_digests[0]))
            digests = (newest, *(each for each in before if each != newest))
            self._sign_ins[key] = replace(sign_in, refresh_digests=digests)
            return True

    def belonging_to(self, key: str | None, refresh_token: str) -> SignIn | None:
        """The sign-in under `key` that `refresh_token` belongs to, even if its access token has expired.

        A browser that shows the newest refresh token has it: the cookies that brought it are then forgotten.
        """
        known = digest(refresh_token)
        with self._lock:
            sign_in = self._sign_ins.get(key or "")
            if sign_in is None or known not in sign_in.refresh_digests:
                return None
            if known == sign_in.refresh_digests[0] and sign_in.set_cookies:
                sign_in = self._sign_ins[key or ""] = replace(sign_in, set_cookies=())
            return sign_in

    def find_for(self, key: str | None, refresh_token: str | None) -> SignIn | None:
        """The sign-in under `key`, if it is valid and belongs to `refresh_token`."""
        if refresh_token is None:
            return None
        sign_in = self.find(key)
        return sign_in if sign_in is not None and digest(refresh_token) in sign_in.refresh_digests else None

    def find(self, key: str | None) -> SignIn | None:
        """The valid sign-in under `key` alone: for the script, whose websocket was let in by `find_for`."""
        if key is None:
            return None
        with self._lock:
            sign_in = self._sign_ins.get(key)
            if sign_in is None or sign_in.expires_at <= self.clock():
                return None
            self._sign_ins.move_to_end(key)
            self._keys[sign_in.user_id].move_to_end(key)
            return sign_in

    def freshen(self, key: str, sign_in: SignIn, access_token: str, expires_in: float) -> None:
        """File a newer access token of the same login, if `sign_in` still lies under `key`."""
        with self._lock:
            filed = self._sign_ins.get(key)
            if filed is not None and filed.access_token == sign_in.access_token:
                now = self.clock()
                self._sign_ins[key] = replace(
                    filed, access_token=access_token, renew_at=now + expires_in / 2, expires_at=now + expires_in
                )

    def expire(self, key: str, access_token: str) -> None:
        """The API no longer takes `access_token`: only a renewal can help. Does nothing if there is a newer one."""
        with self._lock:
            sign_in = self._sign_ins.get(key)
            if sign_in is not None and sign_in.access_token == access_token:
                self._sign_ins[key] = replace(sign_in, expires_at=self.clock())

    def close(self, key: str | None) -> SignIn | None:
        """Forget what lies under `key`, and return it."""
        with self._lock:
            return self._drop(key or "")

    def __len__(self) -> int:
        with self._lock:
            return len(self._sign_ins)

    def _drop(self, key: str) -> SignIn | None:
        sign_in = self._sign_ins.pop(key, None)
        if sign_in is not None:
            keys = self._keys[sign_in.user_id]
            del keys[key]
            if not keys:
                del self._keys[sign_in.user_id]
        return sign_in
