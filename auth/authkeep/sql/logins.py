"""Logins in SQL."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Update, and_, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from authkeep.sql.audit import append_event
from authkeep.sql.engine import OnEngine
from authkeep.sql.revocations import record
from authkeep.sql.rows import login_from, login_row, user_from
from authkeep.sql.tables import logins, users
from authkeep.store import ONE_BY_ONE, AuditEvent, Ending, Login, Revocation, Rotation, User


class SqlLogins(OnEngine):
    """`Logins`."""

    async def add_login(self, login: Login, user: User, *, event: AuditEvent | None = None) -> bool:
        unchanged = and_(
            users.c.id == user.id,
            users.c.epoch == user.epoch,
            users.c.password_hash.is_not_distinct_from(user.password_hash),
            users.c.disabled.is_(False),
        )
        async with self._engine.begin() as db:
            # It locks the user too, so that a change of password comes wholly before or after.
            seen = update(users).where(unchanged).values(last_sign_in_at=login.created_at)
            locked = await db.execute(seen.returning(users.c.id))
            if locked.first() is None:
                return False
            await db.execute(insert(logins).values(login_row(login)))
            await append_event(db, event)
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
                await record(db, [rotation.revocation])
            await append_event(db, rotation.event)
            return rotation, user_from(user)

    async def step_up_login(
        self, sid: str, user_id: str, at: datetime, methods: Sequence[str], *, event: AuditEvent | None = None
    ) -> tuple[Login, User] | None:
        mine = and_(logins.c.sid == sid, logins.c.user_id == user_id, logins.c.ended_at.is_(None))
        changing = update(logins).where(mine).values(authenticated_at=at, methods=list(methods)).returning(logins)
        good = and_(users.c.id == user_id, users.c.disabled.is_(False))
        async with self._engine.begin() as db:
            row = (await db.execute(changing)).mappings().first()
            user = (await db.execute(select(users).where(good))).mappings().first()
            if row is None or user is None:
                return None
            await append_event(db, event)
            return login_from(row), user_from(user)

    async def list_logins(self, user_id: str, now: datetime, limit: int, before: str | None) -> Sequence[Login]:
        live = and_(logins.c.user_id == user_id, is_live(now))
        if before is not None:
            live = and_(live, logins.c.sid < before)
        query = select(logins).where(live).order_by(logins.c.sid.desc()).limit(limit)
        async with self._engine.connect() as db:
            return [login_from(row) for row in (await db.execute(query)).mappings()]

    async def end_login(
        self, sid: str, user_id: str, ending: Ending, *, event: AuditEvent | None = None
    ) -> Revocation | None:
        mine = and_(logins.c.sid == sid, logins.c.user_id == user_id, logins.c.ended_at.is_(None))
        async with self._engine.begin() as db:
            if (await db.execute(end(ending).where(mine).returning(logins.c.sid))).first() is None:
                return None
            entry = Revocation(str(uuid7()), sid, user_id, None, ending.remember_until)
            await record(db, [entry])
            await append_event(db, event)
            return entry


async def end_logins(db: AsyncConnection, user: User, ending: Ending, keep_sid: str | None) -> Sequence[Revocation]:
    """End every login of a user but the one to keep, within the caller's transaction.

    Without one to keep, the caller has raised the epoch of `user`.
    """
    others = and_(logins.c.user_id == user.id, logins.c.ended_at.is_(None))
    if keep_sid is not None:
        others = and_(others, logins.c.sid != keep_sid)
    ended = (await db.execute(end(ending).where(others).returning(logins.c.sid))).scalars().all()
    if keep_sid is not None and len(ended) <= ONE_BY_ONE:
        entries = [Revocation(str(uuid7()), sid, user.id, None, ending.remember_until) for sid in ended]
    else:
        epoch = user.epoch if keep_sid is None else await _raise_epoch(db, user.id)
        entries = [Revocation(str(uuid7()), None, user.id, epoch, ending.remember_until)]
    await record(db, entries)
    return entries


async def _raise_epoch(db: AsyncConnection, user_id: str) -> int:
    raised = update(users).where(users.c.id == user_id).values(epoch=users.c.epoch + 1).returning(users.c.epoch)
    return int((await db.execute(raised)).scalar_one())


def end(ending: Ending) -> Update:
    """Ends whichever logins the caller adds as a condition."""
    return update(logins).values(ended_at=ending.at, end_reason=ending.reason.value, recent=[])


def is_live(now: datetime) -> ColumnElement[bool]:
    """Whether a login can still be refreshed."""
    return and_(logins.c.ended_at.is_(None), logins.c.idle_expires_at > now, logins.c.expires_at > now)
