"""The end of an account: what authkeep knows goes in one transaction, what the host keeps goes after it, surely.

The transaction also writes that the host has something to do. That stays written until the host's part has succeeded
some time later, so neither a crash nor a database that is away leaves anybody's data behind; nor does a request
that was let in just before and writes just after.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

from authkeep.account_mail import AccountMail
from authkeep.audit import Audit
from authkeep.clock import Clock
from authkeep.device import Device
from authkeep.errors import InvalidToken
from authkeep.logins import Logins
from authkeep.principal import Principal
from authkeep.revocation import Revocations
from authkeep.store import AuditAction, AuditEvent, Deletion, EndReason, Store, User

_log = logging.getLogger("authkeep.deletion")
# Beyond this no request that was let in before the deletion is still writing, on any process.
_SETTLED_AFTER = timedelta(minutes=2)
_EVERY_SECONDS = 30.0
_AT_ONCE = 100

OnUserDeleted = Callable[[str], Awaitable[None]]
"""Removes what the host keeps of a user, by id. It may be called again, also after it succeeded, and by several
processes at once; whatever it raises is logged, and it is called again later."""


class AccountDeletion:
    """Deletes accounts, and sees to it that the host follows."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        logins: Logins,
        revocations: Revocations,
        mail: AccountMail,
        audit: Audit,
        on_user_deleted: OnUserDeleted | None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._logins = logins
        self._revocations = revocations
        self._mail = mail
        self._audit = audit
        self._on_user_deleted = on_user_deleted

    async def delete_self(self, principal: Principal, device: Device | None = None) -> None:
        """Delete the caller's account, with everything in it. Their tokens are refused at once.

        Raises:
            InvalidToken: it is gone already, or disabled.
            LastAdmin: nobody would be left to administer.
        """
        user = await self._store.find_user(principal.user_id)
        event = self._audit.event(AuditAction.USER_DELETED, device, actor=principal)
        if user is None or user.disabled or not await self.delete(user, event):
            raise InvalidToken

    async def delete(self, user: User, event: AuditEvent) -> bool:
        """Delete an account, with everything in it. False when it is gone already.

        Raises:
            LastAdmin: nobody would be left to administer.
        """
        revocations = await self._store.delete_user(user.id, self._logins.ending(EndReason.DELETED), event=event)
        if revocations is None:
            return False
        await self._revocations.apply(revocations)
        self._mail.tell_of_deletion(user)
        await self._let_host_follow(Deletion(user.id, self._clock.now()))
        return True

    async def work_off(self) -> None:
        """Call the host for every deletion that is not settled yet."""
        for deletion in await self._store.list_deletions(_AT_ONCE):
            await self._let_host_follow(deletion)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._keep_working(), name="authkeep deletions")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _let_host_follow(self, deletion: Deletion) -> None:
        try:
            if self._on_user_deleted is not None:
                await self._on_user_deleted(deletion.user_id)
            if self._clock.now() - deletion.deleted_at >= _SETTLED_AFTER:
                await self._store.finish_deletion(deletion.user_id)
        except Exception as error:  # noqa: BLE001 - the host's: the account is gone, and this will be tried again
            _log.warning("The host's data of a deleted user is not gone yet: %s", type(error).__name__)

    async def _keep_working(self) -> None:
        while True:
            try:
                await self.work_off()
            except Exception as error:  # noqa: BLE001 - whatever a driver raises: the loop outlives it
                _log.warning("Deletions were not read: %s", type(error).__name__)
            await asyncio.sleep(_EVERY_SECONDS)
