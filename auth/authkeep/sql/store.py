"""`SqlStore`: the storage port on SQLAlchemy Core.

Every write transaction begins with a write. On SQLite that takes the write lock at once, where a read first would
hold a snapshot that cannot be upgraded once another connection has written (SQLITE_BUSY, however long the timeout).
On PostgreSQL it takes the row lock, so that what is read next is what will be true at commit. Neither needs an
event hook on the host's engine.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Update, and_, delete, exists, insert, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from uuid_utils.compat import uuid7

from authkeep.errors import EmailTaken, RegistrationClosed
from authkeep.principal import Role
from authkeep.sql.rows import (
    login_from,
    login_row,
    revocation_from,
    revocation_row,
    user_from,
    user_row,
)
from authkeep.sql.tables import first_admin, logins, revocations, users
from authkeep.store import Admission, Ending, Login, Revocation, Rotation, User, UserChange

_KEEP_ENDED = timedelta(days=1)


class SqlStore:
    """Args:
    engine: the host's; SQLite (aiosqlite) or PostgreSQL (asyncpg). Its pool and its pragmas are the host's matter.

    Raises:
        ValueError: the engine is for another database.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        if engine.dialect.name not in ("sqlite", "postgresql"):
            raise ValueError(f"authkeep stores in SQLite or PostgreSQL, not in {engine.dialect.name}")
        # The row locks below mean what they say at READ COMMITTED, whatever the host has chosen for itself.
        is_postgresql = engine.dialect.name == "postgresql"
        self._engine = engine.execution_options(isolation_level="READ COMMITTED") if is_postgresql else engine

    async def add_user(self, user: User, admission: Admission) -> User:
        try:
            async with self._engine.begin() as db:
                first = await self._claim_first_admin(db, user.id)
                if admission is Admission.FIRST_ONLY and not first:
                    raise RegistrationClosed
                row = user_row(user) | ({"role": Role.ADMIN.value} if first else {})
                added = await db.execute(insert(users).values(row).returning(users))
                return user_from(added.mappings().one())
        except IntegrityError:
            raise EmailTaken from None

    async def _claim_first_admin(self, db: AsyncConnection, user_id: str) -> bool:
        nobody = select(literal(1), literal(user_id)).where(~exists(select(users.c.id)))
        dialect_insert = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        claim = dialect_insert(first_admin).from_select(["slot", "user_id"], nobody).on_conflict_do_nothing()
        claimed = await db.execute(claim.returning(first_admin.c.slot))
        return claimed.first() is not None

    async def find_user(self, user_id: str) -> User | None:
        return await self._find_user(users.c.id == user_id)

    async def find_user_by_email(self, email_key: str) -> User | None:
        return await self._find_user(users.c.email_key == email_key)

    async def _find_user(self, condition: ColumnElement[bool]) -> User | None:
        async with self._engine.connect() as db:
            row = (await db.execute(select(users).where(condition))).mappings().first()
        return user_from(row) if row else None

    async def change_user(self, user_id: str, change: UserChange) -> tuple[User, Sequence[Revocation]] | None:
        condition = users.c.id == user_id
        if change.expected_password_hash is not None:
            condition = and_(condition, users.c.password_hash == change.expected_password_hash)
        async with self._engine.begin() as db:
            changed = await db.execute(update(users).where(condition).values(_changes(change)).returning(users))
            row = changed.mappings().first()
            if row is None:
                return None
            user = user_from(row)
            if change.ending is None:
                return user, ()
            return user, await self._end_logins(db, user, change.ending, change.keep_sid)

    async def _end_logins(
        self, db: AsyncConnection, user: User, ending: Ending, keep_sid: str | None
    ) -> Sequence[Revocation]:
        others = and_(logins.c.user_id == user.id, logins.c.ended_at.is_(None))
        if keep_sid is not None:
            others = and_(others, logins.c.sid != keep_sid)
        ended = (await db.execute(_end(ending).where(others).returning(logins.c.sid))).scalars().all()
        if keep_sid is None:
            entries = [Revocation(str(uuid7()), None, user.id, user.epoch, ending.remember_until)]
        else:
            entries = [Revocation(str(uuid7()), sid, user.id, None, ending.remember_until) for sid in ended]
        await _record(db, entries)
        return entries

    async def add_login(self, login: Login, user: User) -> bool:
        unchanged = and_(
            users.c.id == user.id,
            users.c.epoch == user.epoch,
            users.c.password_hash.is_not_distinct_from(user.password_hash),
            users.c.disabled.is_(False),
        )
        async with self._engine.begin() as db:
            # Writes nothing new: it locks the user, so that a change of password comes wholly before or after.
            locked = await db.execute(update(users).where(unchanged).values(epoch=users.c.epoch).returning(users.c.id))
            if locked.first() is None:
                return False
            await db.execute(insert(logins).values(login_row(login)))
            return True

    async def rotate_login(self, sid: str, decide: Callable[[Login], Rotation]) -> tuple[Rotation, User] | None:
        async with self._engine.begin() as db:
            lock = (
                update(logins).where(logins.c.sid == sid).values(last_used_at=logins.c.last_used_at).returning(logins)
            )
            row = (await db.execute(lock)).mappings().first()
            if row is None:
                return None
            login = login_from(row)
            user = (await db.execute(select(users).where(users.c.id == login.user_id))).mappings().first()
            if user is None:
                return None
            rotation = decide(login)
            if rotation.login != login:
                await db.execute(update(logins).where(logins.c.sid == sid).values(login_row(rotation.login)))
            if rotation.revocation is not None:
                await _record(db, [rotation.revocation])
            return rotation, user_from(user)

    async def list_logins(self, user_id: str, now: datetime, limit: int, before: str | None) -> Sequence[Login]:
        live = and_(logins.c.user_id == user_id, _is_live(now))
        if before is not None:
            live = and_(live, logins.c.sid < before)
        query = select(logins).where(live).order_by(logins.c.sid.desc()).limit(limit)
        async with self._engine.connect() as db:
            return [login_from(row) for row in (await db.execute(query)).mappings()]

    async def end_login(self, sid: str, user_id: str, ending: Ending) -> Revocation | None:
        mine = and_(logins.c.sid == sid, logins.c.user_id == user_id, logins.c.ended_at.is_(None))
        async with self._engine.begin() as db:
            if (await db.execute(_end(ending).where(mine).returning(logins.c.sid))).first() is None:
                return None
            entry = Revocation(str(uuid7()), sid, user_id, None, ending.remember_until)
            await _record(db, [entry])
            return entry

    async def list_revocations(self, now: datetime) -> Sequence[Revocation]:
        async with self._engine.connect() as db:
            rows = await db.execute(select(revocations).where(revocations.c.expires_at > now))
            return [revocation_from(row) for row in rows.mappings()]

    async def is_live(self, sid: str, user_id: str, epoch: int) -> bool:
        query = (
            select(users.c.epoch)
            .join(logins, logins.c.user_id == users.c.id)
            .where(logins.c.sid == sid, users.c.id == user_id, logins.c.ended_at.is_(None), users.c.disabled.is_(False))
        )
        async with self._engine.connect() as db:
            current = (await db.execute(query)).scalar()
        return current is not None and epoch >= current

    async def purge(self, now: datetime) -> None:
        gone = or_(logins.c.expires_at <= now, logins.c.idle_expires_at <= now, logins.c.ended_at <= now - _KEEP_ENDED)
        async with self._engine.begin() as db:
            await db.execute(delete(revocations).where(revocations.c.expires_at <= now))
            await db.execute(delete(logins).where(gone))

    async def is_empty(self) -> bool:
        somebody = or_(exists(select(users.c.id)), exists(select(first_admin.c.slot)))
        async with self._engine.connect() as db:
            return not (await db.execute(select(somebody))).scalar_one()


def _changes(change: UserChange) -> dict[str, Any]:
    values: dict[str, Any] = {"epoch": users.c.epoch}
    if change.ending is not None and change.keep_sid is None:
        values["epoch"] = users.c.epoch + 1
    if change.name is not None:
        values["name"] = change.name
    if change.role is not None:
        values["role"] = change.role.value
    if change.disabled is not None:
        values["disabled"] = change.disabled
    if change.password_hash is not None:
        values["password_hash"] = change.password_hash
    return values


def _end(ending: Ending) -> Update:
    return update(logins).values(ended_at=ending.at, end_reason=ending.reason.value, recent=[])


def _is_live(now: datetime) -> ColumnElement[bool]:
    return and_(logins.c.ended_at.is_(None), logins.c.idle_expires_at > now, logins.c.expires_at > now)


async def _record(db: AsyncConnection, entries: Sequence[Revocation]) -> None:
    if entries:
        await db.execute(insert(revocations), [revocation_row(entry) for entry in entries])
