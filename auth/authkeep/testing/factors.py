"""Factors in memory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from authkeep.store import AuditEvent, Ending, FactorsHeld, Passkey, Revocation, Totp
from authkeep.testing.users import MemoryUsers


class MemoryFactors(MemoryUsers):
    """`Factors`."""

    async def find_factors(self, user_id: str) -> FactorsHeld:
        left = sum(used is None for used in self.recovery_codes.get(user_id, {}).values())
        mine = sorted((key for key in self.passkeys.values() if key.user_id == user_id), key=lambda key: key.id)
        return FactorsHeld(self.totp.get(user_id), left, tuple(mine))

    async def put_totp(self, app: Totp) -> bool:
        stored = self.totp.get(app.user_id)
        if stored is not None and stored.confirmed_at is not None:
            return False
        self.totp[app.user_id] = app
        return True

    async def confirm_totp(self, app: Totp, step: int, at: datetime, *, event: AuditEvent | None = None) -> bool:
        stored = self.totp.get(app.user_id)
        if stored is None or stored.secret != app.secret or stored.confirmed_at is not None:
            return False
        self.totp[app.user_id] = replace(stored, confirmed_at=at, last_step=step)
        self._append(event)
        return True

    async def use_totp_step(self, app: Totp, step: int) -> bool:
        stored = self.totp.get(app.user_id)
        if stored is None or stored.secret != app.secret or stored.confirmed_at is None or stored.last_step >= step:
            return False
        self.totp[app.user_id] = replace(stored, last_step=step)
        return True

    async def put_recovery_codes(
        self, user_id: str, code_hashes: Sequence[str], *, only_first: bool = False, event: AuditEvent | None = None
    ) -> bool:
        if user_id not in self.users or (only_first and self.recovery_codes.get(user_id)):
            return False
        self.recovery_codes[user_id] = dict.fromkeys(code_hashes)
        self._append(event)
        return True

    async def use_recovery_code(
        self, user_id: str, code_hash: str, at: datetime, *, event: AuditEvent | None = None
    ) -> bool:
        codes = self.recovery_codes.get(user_id, {})
        if codes.get(code_hash, at) is not None:
            return False
        codes[code_hash] = at
        self._append(event)
        return True

    async def add_passkey(self, passkey: Passkey, limit: int, *, event: AuditEvent | None = None) -> bool:
        if passkey.user_id not in self.users or await self.find_passkey(passkey.credential_id) is not None:
            return False
        if len((await self.find_factors(passkey.user_id)).passkeys) >= limit:
            return False
        self.passkeys[passkey.id] = passkey
        self._append(event)
        return True

    async def find_passkey(self, credential_id: str) -> Passkey | None:
        return next((key for key in self.passkeys.values() if key.credential_id == credential_id), None)

    async def use_passkey(self, passkey: Passkey, sign_count: int, backed_up: bool, at: datetime) -> bool:
        stored = self.passkeys.get(passkey.id)
        if stored is None or not (stored.sign_count < sign_count or stored.sign_count == sign_count == 0):
            return False
        self.passkeys[stored.id] = replace(stored, sign_count=sign_count, backed_up=backed_up, last_used_at=at)
        return True

    async def rename_passkey(
        self, passkey_id: str, user_id: str, name: str, *, event: AuditEvent | None = None
    ) -> Passkey | None:
        stored = self.passkeys.get(passkey_id)
        if stored is None or stored.user_id != user_id:
            return None
        self._append(event)
        renamed = self.passkeys[passkey_id] = replace(stored, name=name)
        return renamed

    async def remove_totp(
        self, user_id: str, ending: Ending, keep_sid: str, *, event: AuditEvent | None = None
    ) -> Sequence[Revocation] | None:
        if not (await self.find_factors(user_id)).has_totp:
            return None
        del self.totp[user_id]
        return await self._after_removal(user_id, ending, keep_sid, event)

    async def remove_passkey(
        self, passkey_id: str, user_id: str, ending: Ending, keep_sid: str, *, event: AuditEvent | None = None
    ) -> Sequence[Revocation] | None:
        stored = self.passkeys.get(passkey_id)
        if stored is None or stored.user_id != user_id:
            return None
        del self.passkeys[passkey_id]
        return await self._after_removal(user_id, ending, keep_sid, event)

    async def _after_removal(
        self, user_id: str, ending: Ending, keep_sid: str, event: AuditEvent | None
    ) -> Sequence[Revocation]:
        if not (await self.find_factors(user_id)).has_second:
            self.recovery_codes.pop(user_id, None)
        self._append(event)
        return self._end_logins(self.users[user_id], ending, keep_sid)

    async def remove_factors(
        self, user_id: str, ending: Ending, *, event: AuditEvent | None = None
    ) -> Sequence[Revocation] | None:
        user = self.users.get(user_id)
        if user is None:
            return None
        self.totp.pop(user_id, None)
        self.recovery_codes.pop(user_id, None)
        self.passkeys = {key.id: key for key in self.passkeys.values() if key.user_id != user_id}
        raised = self.users[user_id] = replace(user, epoch=user.epoch + 1)
        self._append(event)
        return self._end_logins(raised, ending, None)
