"""Which tokens are dead before they expire: known in memory, so that a request costs no look-up.

The set is tiny, since an entry lives only as long as an access token. It grows in two ways, both by union: a change
made in this process is added after its commit, and the whole set is read again on a timer. Entries leave only by
expiring, so a snapshot that was read before a commit and arrives after it cannot take anything back.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta

from authkeep.access_tokens import VerifiedToken
from authkeep.clock import Clock
from authkeep.errors import InvalidToken, RevocationsUnknown
from authkeep.store import Revocation, Store

_PURGE_SECONDS = 3600.0
_log = logging.getLogger("authkeep.revocation")


class RevocationView:
    """The set itself; no I/O, nothing asynchronous."""

    def __init__(self) -> None:
        self._logins: dict[str, float] = {}
        self._epochs: dict[str, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._logins) + len(self._epochs)

    def add(self, revocations: Iterable[Revocation]) -> None:
        for revocation in revocations:
            expires = revocation.expires_at.timestamp()
            if revocation.sid is not None:
                self._logins[revocation.sid] = max(expires, self._logins.get(revocation.sid, 0.0))
            if revocation.epoch is not None:
                epoch, known_until = self._epochs.get(revocation.user_id, (0, 0.0))
                self._epochs[revocation.user_id] = (max(epoch, revocation.epoch), max(expires, known_until))

    def refuses(self, token: VerifiedToken) -> bool:
        if token.principal.login_id in self._logins:
            return True
        minimum = self._epochs.get(token.principal.user_id)
        return minimum is not None and token.epoch < minimum[0]

    def forget_expired(self, now: float) -> None:
        self._logins = {sid: expires for sid, expires in self._logins.items() if expires > now}
        self._epochs = {user: entry for user, entry in self._epochs.items() if entry[1] > now}


class Revocations:
    """Keeps the view fresh and says whether it may be believed."""

    def __init__(self, store: Store, clock: Clock, *, reread: timedelta, lease: timedelta) -> None:
        self.view = RevocationView()
        self._store = store
        self._clock = clock
        self._reread_seconds = reread.total_seconds()
        self._lease_seconds = lease.total_seconds()
        self._confirmed_at = float("-inf")
        self._purged_at = float("-inf")
        self.failures = 0

    @property
    def fresh(self) -> bool:
        return self._clock.monotonic() - self._confirmed_at <= self._lease_seconds

    async def reread(self) -> None:
        """Read the whole set. The lease counts from before the read: what was committed during it may be missing."""
        started = self._clock.monotonic()
        now = self._clock.now()
        self.view.add(await self._store.list_revocations(now))
        self.view.forget_expired(now.timestamp())
        self._confirmed_at = started

    async def ask_the_store(self, token: VerifiedToken) -> None:
        """Whether a token's login lives, from the source: for when the view is not fresh.

        Raises:
            InvalidToken: it does not.
            RevocationsUnknown: the store does not answer.
        """
        try:
            principal = token.principal
            live = await self._store.is_live(principal.login_id, principal.user_id, token.epoch)
        except Exception as error:  # whatever a driver raises: not knowing is a refusal, never an acceptance
            self.failures += 1
            _log.warning("The store did not confirm a login: %s", type(error).__name__)
            raise RevocationsUnknown from error
        if not live:
            raise InvalidToken

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Load the set, then keep reading it. A host that cannot load it does not start."""
        await self.reread()
        await self._purge_now_and_then()
        task = asyncio.create_task(self._keep_reading(), name="authkeep revocations")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _keep_reading(self) -> None:
        while True:
            await asyncio.sleep(self._reread_seconds)
            try:
                await self.reread()
                await self._purge_now_and_then()
            except Exception as error:  # noqa: BLE001 - whatever a driver raises: the loop outlives it
                self.failures += 1
                _log.warning("Revocations were not re-read: %s", type(error).__name__)

    async def _purge_now_and_then(self) -> None:
        if self._clock.monotonic() - self._purged_at >= _PURGE_SECONDS:
            await self._store.purge(self._clock.now())
            self._purged_at = self._clock.monotonic()
