"""Which tokens are dead before they expire: known in memory, so that a request costs no look-up.

The set is tiny, since an entry lives only as long as an access token. It grows by what this process revokes, by what
the feed says, and by reading the whole of it: on a timer, and at once whenever the feed may have lost something. Only
the reading proves the view complete, so only the reading renews its lease.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta

from authkeep.clock import Clock
from authkeep.errors import RevocationsUnknown, StaleToken
from authkeep.principal import Principal
from authkeep.revocation_feed import parse
from authkeep.revocation_view import RevocationView
from authkeep.revocation_watch import LoginWatch
from authkeep.store import Revocation, RevocationFeed, Store

_PURGE_SECONDS = 3600.0
# A store that takes longer has gone: a connection can be dead for minutes before the network says so.
_ANSWER_SECONDS = 3.0
# Between two readings, however often the feed asks for one.
_PAUSE_SECONDS = 0.01
_RETRY_SECONDS = (0.05, 1.0)
_log = logging.getLogger("authkeep.revocation")


class Revocations:
    """Keeps the view fresh, says whether it may be believed, and tells whoever holds something open.

    Attributes:
        feed: how other processes are told, and heard.
        listening: whether the feed is connected; without it the others' changes arrive within a second or so.
        failures: how often the store or the feed failed, or the feed said what nobody of us would.
    """

    def __init__(
        self, store: Store, clock: Clock, *, reread: timedelta, lease: timedelta, feed: RevocationFeed
    ) -> None:
        self.view = RevocationView()
        self.listening = False
        self.failures = 0
        self._store = store
        self._clock = clock
        self.feed = feed
        self._reread_seconds = reread.total_seconds()
        self._lease_seconds = lease.total_seconds()
        self._confirmed_at = float("-inf")
        self._due = asyncio.Event()
        self._watch = LoginWatch()
        self._subscribers: list[Callable[[Revocation], None]] = [self._watch.on_revoked]

    @property
    def fresh(self) -> bool:
        return self._clock.monotonic() - self._confirmed_at <= self._lease_seconds

    def subscribe(self, on_revoked: Callable[[Revocation], None]) -> Callable[[], None]:
        """Call `on_revoked` on the event loop with each entry, once, wherever in the deployment it was made.

        Returns:
            What ends the subscription.
        """
        self._subscribers.append(on_revoked)
        return lambda: self._subscribers.remove(on_revoked)

    def watch(self, principal: Principal, end: Callable[[], None]) -> Callable[[], None]:
        """Call `end`, once and on the event loop, as soon as the login of `principal` is revoked, by whichever process.

        At once, if that came to pass between the check of the token and now. Costs two entries in dictionaries: no
        task, no timer.

        Returns:
            What ends the watch, and has to be called when that which was open is closed.
        """
        forget = self._watch.add(principal, end)
        if self.view.refuses(principal):
            forget()
            end()
        return forget

    async def apply(self, revocations: Sequence[Revocation]) -> None:
        """To be awaited after each commit that revokes: this process knows at once, and the others are told."""
        self._learn(revocations)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self.feed.publish(revocations)
        except Exception as error:  # noqa: BLE001 - whatever a driver raises: it is committed, and the others re-read
            self._failed("A revocation was not published", error)

    async def reread(self) -> None:
        """Read the whole set. The lease counts from before the read: what was committed during it may be missing."""
        started = self._clock.monotonic()
        now = self._clock.now()
        self._learn(await self._store.list_revocations(now))
        self.view.forget_expired(now.timestamp())
        self._confirmed_at = started

    async def ask_the_store(self, principal: Principal) -> None:
        """Whether the login lives, from the source: for when the view is not fresh.

        Raises:
            StaleToken: it does not.
            RevocationsUnknown: the store does not answer.
        """
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                live = await self._store.is_live(principal.login_id, principal.user_id, principal.epoch)
        except Exception as error:  # whatever a driver raises: not knowing is a refusal, never an acceptance
            self._failed("The store did not confirm a login", error)
            raise RevocationsUnknown from error
        if not live:
            raise StaleToken

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Load the set, then keep it current. A host that cannot load it does not start."""
        self._due = asyncio.Event()
        await self.reread()
        tasks = {
            asyncio.create_task(self._keep_reading(), name="authkeep revocations"),
            asyncio.create_task(self._keep_listening(), name="authkeep revocation feed"),
            asyncio.create_task(self._keep_purging(), name="authkeep purge"),
        }
        try:
            yield
        finally:
            while tasks:
                for task in tasks:
                    task.cancel()
                # A driver may turn a cancellation into an error of its own, which the loops would outlive.
                _, tasks = await asyncio.wait(tasks, timeout=1.0)

    def _learn(self, revocations: Sequence[Revocation]) -> None:
        for revocation in self.view.add(revocations):
            for on_revoked in list(self._subscribers):
                try:
                    on_revoked(revocation)
                except Exception:  # noqa: BLE001 - a host's code: one that fails must not keep the others from hearing
                    _log.exception("A subscriber to revocations failed")

    async def _keep_reading(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                # Not `wait_for`, which before Python 3.12 can lose a cancellation.
                async with asyncio.timeout(self._reread_seconds):
                    await self._due.wait()
            self._due.clear()
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    await self.reread()
                pause = _PAUSE_SECONDS
            except Exception as error:  # noqa: BLE001 - whatever a driver raises: the loop outlives it
                self._failed("Revocations were not re-read", error)
                self._due.set()
                pause = _RETRY_SECONDS[1]
            await asyncio.sleep(min(pause, self._reread_seconds))

    async def _keep_listening(self) -> None:
        retry = _RETRY_SECONDS[0]
        while True:
            try:
                async with contextlib.aclosing(self.feed.listen()) as heard:
                    async for payload in heard:
                        self.listening, retry = True, _RETRY_SECONDS[0]
                        self._hear(payload)
            except Exception as error:  # noqa: BLE001 - whatever a driver raises: the loop outlives it
                # Said once: the tries that follow, one a second, have nothing to add.
                level = logging.WARNING if retry == _RETRY_SECONDS[0] else logging.DEBUG
                self._failed("The feed of revocations broke", error, level)
            self.listening = False
            # Until it is back, reading stands in for it: after each try, successful or not.
            self._due.set()
            await asyncio.sleep(retry * random.uniform(0.5, 1.0))  # noqa: S311 - spreads the load, guards nothing
            retry = min(retry * 2, _RETRY_SECONDS[1])

    def _hear(self, payload: str | None) -> None:
        if payload is None:
            self._due.set()
            return
        try:
            self._learn([parse(payload, self._clock.now())])
        except ValueError as error:
            self._failed("The feed said what is no revocation", error)
            self._due.set()

    async def _keep_purging(self) -> None:
        # By itself, so that a long purge delays no reading.
        while True:
            try:
                await self._store.purge(self._clock.now())
            except Exception as error:  # noqa: BLE001 - whatever a driver raises: the loop outlives it
                self._failed("What has expired was not purged", error)
            await asyncio.sleep(_PURGE_SECONDS)

    def _failed(self, what: str, error: Exception, level: int = logging.WARNING) -> None:
        self.failures += 1
        _log.log(level, "%s: %s", what, type(error).__name__)
