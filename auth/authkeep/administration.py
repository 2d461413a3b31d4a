"""The journeys of an administrator: look through users, change a role, disable, delete, end logins.

No HTTP in here and no SQL. `by` is the administrator; None is the operator, at the machine.
"""

from collections.abc import Sequence
from dataclasses import replace

from authkeep.account_deletion import AccountDeletion
from authkeep.account_mail import AccountMail
from authkeep.audit import Audit
from authkeep.clock import Clock
from authkeep.device import Device
from authkeep.errors import InvalidInput, UserNotFound
from authkeep.factor_changes import require_second_factor
from authkeep.ids import is_user_id
from authkeep.logins import Logins
from authkeep.principal import Principal, Role
from authkeep.revocation import Revocations
from authkeep.store import AuditAction, AuditEvent, Ending, EndReason, Store, User, UserChange, UserEntry, UserFilter


class Administration:
    """Whatever weakens somebody's account ends their logins, and is recorded with it."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        logins: Logins,
        revocations: Revocations,
        deletion: AccountDeletion,
        mail: AccountMail,
        audit: Audit,
    ) -> None:
        self._store = store
        self._clock = clock
        self._logins = logins
        self._revocations = revocations
        self._deletion = deletion
        self._mail = mail
        self._audit = audit

    async def list_users(self, text: str = "", *, limit: int, before: str | None = None) -> Sequence[UserEntry]:
        """Users in whose e-mail address or name `text` occurs, newest first, older than the user `before`.

        Raises:
            InvalidInput: `before` is not an id, or `text` is not to be searched for.
        """
        if before is not None and not is_user_id(before):
            raise InvalidInput("The cursor is not one that this list handed out.")
        if not text.isprintable():
            raise InvalidInput("No address and no name contains this.", field="q")
        return await self._store.list_users(UserFilter(text.strip()), self._clock.now(), limit, before)

    async def get_user(self, user_id: str) -> UserEntry:
        """Raises:
        UserNotFound: there is none with this id.
        """
        wanted = UserFilter(user_id=user_id)
        found = await self._store.list_users(wanted, self._clock.now(), 1, None) if is_user_id(user_id) else ()
        if not found:
            raise UserNotFound
        return found[0]

    async def change_user(
        self,
        by: Principal | None,
        user_id: str,
        *,
        role: Role | None = None,
        disabled: bool | None = None,
        device: Device | None = None,
    ) -> UserEntry:
        """Give a user another role, disable or enable them. Every login of theirs ends, unless they are enabled.

        Raises:
            UserNotFound: there is none with this id.
            LastAdmin: they are the only administrator who can sign in.
            InvalidToken: `by` has been signed out, disabled or given another role in the meantime.
        """
        user = (await self.get_user(user_id)).user
        await self._confirm(by)
        new = UserChange(
            role=role if role is not user.role else None,
            disabled=disabled if disabled is not user.disabled else None,
        )
        events = self._events_of(new, user, by, device)
        if events:
            await self._write(user_id, replace(new, ending=self._ending_for(new)), *events)
        return await self.get_user(user_id)

    async def end_logins(self, by: Principal | None, user_id: str, device: Device | None = None) -> None:
        """End every login of a user. Their API keys live on.

        Raises:
            UserNotFound: there is none with this id.
            InvalidToken: `by` has been signed out, disabled or given another role in the meantime.
        """
        await self.get_user(user_id)
        await self._confirm(by)
        event = self._audit.event(AuditAction.LOGINS_ENDED, device, actor=by, subject=user_id)
        await self._write(user_id, UserChange(ending=self._logins.ending(EndReason.ENDED_BY_ADMIN)), event)

    async def reset_factors(self, by: Principal | None, user_id: str, device: Device | None = None) -> None:
        """Remove every second factor of a user who has lost them, and end every login. The password stays.

        That it is really them who ask has to be known by other means than their e-mail.

        Raises:
            UserNotFound: there is none with this id.
            RecentSignInRequired: `by` has a second factor, and this login was not confirmed with it.
            InvalidToken: `by` has been signed out, disabled or given another role in the meantime.
        """
        user = (await self.get_user(user_id)).user
        await self._confirm(by)
        if by is not None:
            require_second_factor(by, await self._store.find_factors(by.user_id))
        event = self._audit.event(AuditAction.FACTORS_RESET, device, actor=by, subject=user_id)
        revocations = await self._store.remove_factors(
            user_id, self._logins.ending(EndReason.FACTORS_RESET), event=event
        )
        if revocations is None:
            raise UserNotFound
        await self._revocations.apply(revocations)
        self._mail.tell_of_reset_factors(user)

    async def delete_user(self, by: Principal | None, user_id: str, device: Device | None = None) -> None:
        """Delete a user with everything in the account, the host's part too. The audit trail stays.

        Raises:
            UserNotFound: there is none with this id.
            LastAdmin: they are the only administrator who can sign in.
            InvalidToken: `by` has been signed out, disabled or given another role in the meantime.
        """
        user = (await self.get_user(user_id)).user
        await self._confirm(by)
        event = self._audit.event(AuditAction.USER_DELETED, device, actor=by, subject=user_id)
        if not await self._deletion.delete(user, event):
            raise UserNotFound

    def _events_of(
        self, new: UserChange, user: User, by: Principal | None, device: Device | None
    ) -> Sequence[AuditEvent]:
        events = []
        if new.disabled is not None:
            action = AuditAction.USER_DISABLED if new.disabled else AuditAction.USER_ENABLED
            events.append(self._audit.event(action, device, actor=by, subject=user.id))
        if new.role is not None:
            before, after = user.role.value, new.role.value
            event = self._audit.event(
                AuditAction.ROLE_CHANGED, device, actor=by, subject=user.id, before=before, after=after
            )
            events.append(event)
        return events

    def _ending_for(self, new: UserChange) -> Ending | None:
        if new.disabled:
            return self._logins.ending(EndReason.DISABLED)
        return self._logins.ending(EndReason.ROLE_CHANGED) if new.role else None

    async def _confirm(self, by: Principal | None) -> None:
        # A token tells what was true when this process last heard of a revocation. Here that is not good enough.
        if by is not None:
            await self._revocations.ask_the_store(by)

    async def _write(self, user_id: str, change: UserChange, event: AuditEvent, also: AuditEvent | None = None) -> None:
        changed = await self._store.change_user(user_id, change, event=event, also=also)
        if changed is None:
            raise UserNotFound
        await self._revocations.apply(changed[1])
