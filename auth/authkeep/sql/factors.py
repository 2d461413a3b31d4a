"""Factors in SQL."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Delete, and_, delete, exists, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from authkeep.sql.audit import append_event
from authkeep.sql.engine import OnEngine
from authkeep.sql.logins import end_logins
from authkeep.sql.rows import passkey_from, passkey_row, totp_from, totp_row, user_from
from authkeep.sql.tables import passkeys, recovery_codes, totp, users
from authkeep.store import AuditEvent, Ending, FactorsHeld, Passkey, Revocation, Totp, User


class SqlFactors(OnEngine):
    """`Factors`."""

    async def find_factors(self, user_id: str) -> FactorsHeld:
        apps = select(totp).where(totp.c.user_id == user_id)
        unused = and_(recovery_codes.c.user_id == user_id, recovery_codes.c.used_at.is_(None))
        codes = select(func.count()).select_from(recovery_codes).where(unused)
        keys = select(passkeys).where(passkeys.c.user_id == user_id).order_by(passkeys.c.id)
        async with self._engine.connect() as db:
            app = (await db.execute(apps)).mappings().first()
            left = (await db.execute(codes)).scalar_one()
            found = tuple(passkey_from(row) for row in (await db.execute(keys)).mappings())
        return FactorsHeld(totp_from(app) if app else None, left, found)

    async def put_totp(self, app: Totp) -> bool:
        dialect_insert = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        row = totp_row(app)
        putting = dialect_insert(totp).values(row)
        putting = putting.on_conflict_do_update(
            index_elements=[totp.c.user_id], set_=row, where=totp.c.confirmed_at.is_(None)
        )
        async with self._engine.begin() as db:
            return (await db.execute(putting.returning(totp.c.user_id))).first() is not None

    async def confirm_totp(self, app: Totp, step: int, at: datetime, *, event: AuditEvent | None = None) -> bool:
        this = and_(totp.c.user_id == app.user_id, totp.c.secret == app.secret, totp.c.confirmed_at.is_(None))
        confirming = update(totp).where(this).values(confirmed_at=at, last_step=step).returning(totp.c.user_id)
        async with self._engine.begin() as db:
            confirmed = (await db.execute(confirming)).first() is not None
            await append_event(db, event if confirmed else None)
        return confirmed

    async def use_totp_step(self, app: Totp, step: int) -> bool:
        this = and_(totp.c.user_id == app.user_id, totp.c.secret == app.secret, totp.c.confirmed_at.is_not(None))
        using = update(totp).where(this, totp.c.last_step < step).values(last_step=step).returning(totp.c.user_id)
        async with self._engine.begin() as db:
            return (await db.execute(using)).first() is not None

    async def put_recovery_codes(
        self, user_id: str, code_hashes: Sequence[str], *, only_first: bool = False, event: AuditEvent | None = None
    ) -> bool:
        mine = recovery_codes.c.user_id == user_id
        async with self._engine.begin() as db:
            if await _lock(db, user_id) is None:
                return False
            if only_first and (await db.execute(select(exists().where(mine)))).scalar_one():
                return False
            await db.execute(delete(recovery_codes).where(mine))
            await db.execute(
                insert(recovery_codes), [{"user_id": user_id, "code_hash": code_hash} for code_hash in code_hashes]
            )
            await append_event(db, event)
            return True

    async def use_recovery_code(
        self, user_id: str, code_hash: str, at: datetime, *, event: AuditEvent | None = None
    ) -> bool:
        codes = recovery_codes.c
        this = and_(codes.user_id == user_id, codes.code_hash == code_hash, codes.used_at.is_(None))
        using = update(recovery_codes).where(this).values(used_at=at).returning(codes.user_id)
        async with self._engine.begin() as db:
            used = (await db.execute(using)).first() is not None
            await append_event(db, event if used else None)
        return used

    async def add_passkey(self, passkey: Passkey, limit: int, *, event: AuditEvent | None = None) -> bool:
        mine = select(func.count()).select_from(passkeys).where(passkeys.c.user_id == passkey.user_id)
        try:
            async with self._engine.begin() as db:
                if await _lock(db, passkey.user_id) is None or (await db.execute(mine)).scalar_one() >= limit:
                    return False
                await db.execute(insert(passkeys).values(passkey_row(passkey)))
                await append_event(db, event)
                return True
        except IntegrityError:
            return False

    async def find_passkey(self, credential_id: str) -> Passkey | None:
        query = select(passkeys).where(passkeys.c.credential_id == credential_id)
        async with self._engine.connect() as db:
            row = (await db.execute(query)).mappings().first()
        return passkey_from(row) if row else None

    async def use_passkey(self, passkey: Passkey, sign_count: int, backed_up: bool, at: datetime) -> bool:
        rises = passkeys.c.sign_count < sign_count
        if sign_count == 0:
            rises = or_(rises, passkeys.c.sign_count == 0)
        using = update(passkeys).where(passkeys.c.id == passkey.id, rises)
        using = using.values(sign_count=sign_count, backed_up=backed_up, last_used_at=at)
        async with self._engine.begin() as db:
            return (await db.execute(using.returning(passkeys.c.id))).first() is not None

    async def rename_passkey(
        self, passkey_id: str, user_id: str, name: str, *, event: AuditEvent | None = None
    ) -> Passkey | None:
        mine = and_(passkeys.c.id == passkey_id, passkeys.c.user_id == user_id)
        async with self._engine.begin() as db:
            row = (await db.execute(update(passkeys).where(mine).values(name=name).returning(passkeys))).mappings()
            renamed = row.first()
            await append_event(db, event if renamed else None)
        return passkey_from(renamed) if renamed else None

    async def remove_totp(
        self, user_id: str, ending: Ending, keep_sid: str, *, event: AuditEvent | None = None
    ) -> Sequence[Revocation] | None:
        mine = and_(totp.c.user_id == user_id, totp.c.confirmed_at.is_not(None))
        return await self._remove(user_id, delete(totp).where(mine), ending, keep_sid, event)

    async def remove_passkey(
        self, passkey_id: str, user_id: str, ending: Ending, keep_sid: str, *, event: AuditEvent | None = None
    ) -> Sequence[Revocation] | None:
        mine = and_(passkeys.c.id == passkey_id, passkeys.c.user_id == user_id)
        return await self._remove(user_id, delete(passkeys).where(mine), ending, keep_sid, event)

    async def _remove(
        self, user_id: str, removing: Delete, ending: Ending, keep_sid: str, event: AuditEvent | None
    ) -> Sequence[Revocation] | None:
        async with self._engine.begin() as db:
            user = await _lock(db, user_id)
            if user is None or not (await db.execute(removing)).rowcount:
                return None
            second = or_(
                exists().where(totp.c.user_id == user_id, totp.c.confirmed_at.is_not(None)),
                exists().where(passkeys.c.user_id == user_id),
            )
            await db.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id, ~second))
            await append_event(db, event)
            return await end_logins(db, user, ending, keep_sid)

    async def remove_factors(
        self, user_id: str, ending: Ending, *, event: AuditEvent | None = None
    ) -> Sequence[Revocation] | None:
        async with self._engine.begin() as db:
            raised = update(users).where(users.c.id == user_id).values(epoch=users.c.epoch + 1).returning(users)
            row = (await db.execute(raised)).mappings().first()
            if row is None:
                return None
            for table in (totp, recovery_codes, passkeys):
                await db.execute(delete(table).where(table.c.user_id == user_id))
            await append_event(db, event)
            return await end_logins(db, user_from(row), ending, None)


async def _lock(db: AsyncConnection, user_id: str) -> User | None:
    """Make whoever else changes this user's factors wait, so that what is counted next is true at commit."""
    locking = update(users).where(users.c.id == user_id).values(epoch=users.c.epoch).returning(users)
    row = (await db.execute(locking)).mappings().first()
    return user_from(row) if row else None
