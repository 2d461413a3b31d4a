"""Whose API key this is: known in memory after the first time, and looked up again when anything may have changed.

What is remembered of a key is good until the key expires, is revoked, or its user's epoch rises, by the same set of
revocations that ends access tokens; and never for longer than an access token lives, since that set forgets then.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from datetime import datetime

from authkeep.access_tokens import VerifiedToken
from authkeep.api_key_text import key_hash
from authkeep.clock import Clock
from authkeep.errors import InvalidToken, RevocationsUnknown, StaleToken
from authkeep.principal import Principal
from authkeep.revocation import Revocations
from authkeep.settings import AuthSettings
from authkeep.store import ApiKey, Store, User

_log = logging.getLogger("authkeep.api_keys")

_CACHED_KEYS = 10_000
_NOTE_SECONDS = 60.0
# A store that takes longer has gone: a connection can be dead for minutes before the network says so.
_ANSWER_SECONDS = 3.0


class ApiKeyVerifier:
    """Attributes:
    failures: how often the store did not give or take what was asked of it.
    """

    def __init__(self, settings: AuthSettings, store: Store, clock: Clock, revocations: Revocations) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._revocations = revocations
        self._verified: dict[str, VerifiedToken] = {}
        self._used: dict[str, datetime] = {}
        self.failures = 0

    def recognises(self, credential: str) -> bool:
        """Whether this claims to be an API key; an access token never does."""
        return credential.startswith(self._settings.api_key_prefix)

    async def verify(self, text: str) -> Principal:
        """Whose key this is, as they are now.

        Raises:
            InvalidToken: malformed or unknown; a StaleToken when it is expired or its user is disabled.
            RevocationsUnknown: it must be looked up, and the store does not answer.
        """
        secret_hash = key_hash(self._settings.api_key_prefix, text)
        known = self._verified.get(secret_hash)
        if known is None or not self._still_holds(known):
            known = await self._look_up(secret_hash)
        self._used[known.principal.login_id] = self._clock.now()
        return known.principal

    def _still_holds(self, known: VerifiedToken) -> bool:
        revocations = self._revocations
        return (
            self._clock.seconds() < known.expires_at
            and revocations.fresh
            and not revocations.view.refuses(known.principal)
        )

    async def _look_up(self, secret_hash: str) -> VerifiedToken:
        self._verified.pop(secret_hash, None)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                found = await self._store.find_api_key(secret_hash)
        except Exception as error:  # whatever a driver raises: not knowing is a refusal, never an acceptance
            self.failures += 1
            _log.warning("The store did not confirm an API key: %s", type(error).__name__)
            raise RevocationsUnknown from error
        if found is None:
            raise InvalidToken
        if found[1].disabled:
            raise StaleToken
        verified = self._as_of_now(*found)
        # What was revoked while the store was asked is known here by now.
        if self._clock.seconds() >= verified.expires_at or self._revocations.view.refuses(verified.principal):
            raise StaleToken
        if len(self._verified) >= _CACHED_KEYS:
            del self._verified[next(iter(self._verified))]
        self._verified[secret_hash] = verified
        return verified

    def _as_of_now(self, key: ApiKey, user: User) -> VerifiedToken:
        # A scope that the host no longer has opens nothing; and a key without any opens nothing at all.
        scopes = frozenset(key.scopes) & self._settings.scopes.keys()
        principal = Principal(user.id, key.id, user.role, scopes, api_key_id=key.id, epoch=user.epoch)
        remembered = self._clock.seconds() + self._settings.access_lifetime.total_seconds()
        expires_at = min(remembered, key.expires_at.timestamp()) if key.expires_at else remembered
        return VerifiedToken(principal, key.id, expires_at, kid="")

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep writing down which keys are in use: once a minute, and not with each request."""
        task = asyncio.create_task(self._keep_noting(), name="authkeep API keys")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await self.note_used()

    async def _keep_noting(self) -> None:
        while True:
            await asyncio.sleep(_NOTE_SECONDS)
            await self.note_used()

    async def note_used(self) -> None:
        """Write down now what is to be written. What the store does not take is tried again the next time."""
        used, self._used = self._used, {}
        if not used:
            return
        try:
            await self._store.note_api_keys_used(used)
        except Exception as error:  # noqa: BLE001 - whatever a driver raises: nobody is refused for this
            self.failures += 1
            self._used = used | self._used
            _log.warning("The use of API keys was not noted: %s", type(error).__name__)
