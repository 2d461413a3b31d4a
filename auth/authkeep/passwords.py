"""Password hashing: Argon2id on a small pool of its own, with a bounded queue.

One hash takes 19 MiB and tens of milliseconds of a core (OWASP: m=19456, t=2, p=1). On the event loop it would
stop every stream; on the default thread pool a flood of logins takes every core and a gigabyte. Here a flood
waits in a short line, and past its end is told to come back.

Hashes that an older application made with bcrypt are verified too. They are slower, which would tell who has one; so
as long as there is any, every verification costs one Argon2 hash and one bcrypt hash, whoever is asked for.
"""

import asyncio
import contextlib
import logging
import math
import os
import re
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from argon2 import PasswordHasher as Argon2
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from authkeep.errors import HashingBusy, UnacceptablePassword
from authkeep.password_policy import normalize_password

if TYPE_CHECKING:
    from authkeep.bcrypt_hashes import BcryptHashes

_log = logging.getLogger("authkeep.passwords")
_NICENESS = 10
# A hash at cost 15 takes seconds; one at 31 would take a day, of everybody who signs in.
_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|1[0-5])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}", re.ASCII)
T = TypeVar("T")


class PasswordHasher:
    """Hashes and verifies; between `running()` entering and leaving.

    Args:
        threads: 1 keeps everything else on the machine quick; 2 doubles the logins per second.
        queue: how many hashes may wait.
        time_cost, memory_cost: Argon2 parameters, memory in KiB; hashes with others are renewed at login.
    """

    def __init__(self, *, threads: int = 1, queue: int = 64, time_cost: int = 2, memory_cost: int = 19_456) -> None:
        self._argon2 = Argon2(time_cost=time_cost, memory_cost=memory_cost, parallelism=1, type=Type.ID)
        self._threads = threads
        self._capacity = threads + queue
        self._executor: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._pending = 0
        self._seconds_per_hash = 0.05
        self._decoy = ""
        self._bcrypt: BcryptHashes | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        executor = ThreadPoolExecutor(self._threads, "authkeep-argon2", initializer=_be_nice)
        self._executor = executor
        try:
            # With the parameters of today, so that an unknown user costs exactly what a known one does.
            self._decoy = await self.hash(secrets.token_urlsafe(32))
            yield
        finally:
            self._executor = None
            executor.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """A PHC string.

        Raises:
            UnacceptablePassword: it is too long.
            HashingBusy: the queue is full.
        """
        text = _bytes_of(password)
        return await self._run(lambda: self._argon2.hash(text))

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Whether the password fits; without a hash, after the same work, False.

        Raises:
            HashingBusy: the queue is full.
        """
        try:
            text = _bytes_of(password)
        except UnacceptablePassword:
            # Nobody's password; refused at the price of any other, and without normalising it.
            password, text, password_hash = "", b"", None
        return await self._run(lambda: self._matches_either(password_hash, password, text))

    def needs_rehash(self, password_hash: str) -> bool:
        return bool(_BCRYPT.fullmatch(password_hash)) or self._argon2.check_needs_rehash(password_hash)

    def expect(self, password_hash: str) -> None:
        """Be prepared for a hash that another application made. Nothing to do for our own.

        Raises:
            ValueError: it cannot be verified; the message says why.
        """
        if password_hash.startswith("$argon2"):
            return
        if not _BCRYPT.fullmatch(password_hash):
            raise ValueError("only Argon2 and bcrypt ($2a$, $2b$, $2y$, cost 4 to 15) hashes can be verified")
        if self._bcrypt is None:
            try:
                from authkeep.bcrypt_hashes import BcryptHashes  # noqa: PLC0415 - an optional extra
            except ImportError:
                raise ValueError("there are bcrypt hashes: install authkeep[bcrypt] to verify them") from None
            self._bcrypt = BcryptHashes()
        self._bcrypt.expect(password_hash)

    def _matches_either(self, password_hash: str | None, typed: str, text: bytes) -> bool:
        legacy = password_hash is not None and self._is_known_bcrypt(password_hash)
        fits = self._matches(self._decoy if password_hash is None or legacy else password_hash, text)
        if self._bcrypt is not None:
            # As it was typed: the application that made the hash did not normalise.
            fits_bcrypt = self._bcrypt.matches(_raw(typed), password_hash if legacy else None)
            fits = fits_bcrypt if legacy else fits
        return fits and password_hash is not None

    def _is_known_bcrypt(self, password_hash: str) -> bool:
        if not _BCRYPT.fullmatch(password_hash):
            return False
        try:
            # Another process may have imported it since this one started.
            self.expect(password_hash)
        except ValueError as error:
            _log.error("A password was refused unseen: %s", error)
            return False
        return True

    def _matches(self, password_hash: str, text: bytes) -> bool:
        try:
            return self._argon2.verify(password_hash, text)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._executor is None:
            raise RuntimeError("the password pool is not running: enter Auth.running() first, in the app's lifespan")
        with self._lock:
            if self._pending >= self._capacity:
                wait = self._pending * self._seconds_per_hash / self._threads
                raise HashingBusy(retry_after=math.ceil(wait))
            self._pending += 1
        future = self._executor.submit(self._timed, work)
        # On the pool's future, not the loop's: a caller who hangs up frees the place only when it is really free.
        future.add_done_callback(self._release)
        return await asyncio.wrap_future(future)

    def _timed(self, work: Callable[[], T]) -> T:
        started = time.perf_counter()
        try:
            return work()
        finally:
            elapsed = time.perf_counter() - started
            with self._lock:
                self._seconds_per_hash += 0.2 * (elapsed - self._seconds_per_hash)

    def _release(self, _: Future[T]) -> None:
        with self._lock:
            self._pending -= 1


def _bytes_of(password: str) -> bytes:
    return _raw(normalize_password(password))


def _raw(text: str) -> bytes:
    # JSON can carry half a surrogate pair. It is refused for new passwords; here it must just not match.
    return text.encode("utf-8", "surrogatepass")


def _be_nice() -> None:
    # Linux gives each thread a niceness of its own; elsewhere this would slow the whole process.
    if hasattr(os, "setpriority") and os.uname().sysname == "Linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
