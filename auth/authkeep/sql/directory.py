"""The directory in SQL."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import and_, exists, func, or_, select, true

from authkeep.sql.engine import OnEngine
from authkeep.sql.logins import is_live
from authkeep.sql.rows import user_from
from authkeep.sql.tables import logins, passkeys, totp, users
from authkeep.store import UserEntry, UserFilter


class SqlDirectory(OnEngine):
    """`Directory`."""

    async def list_users(
        self, wanted: UserFilter, now: datetime, limit: int, before: str | None
    ) -> Sequence[UserEntry]:
        named = (column.icontains(wanted.text, autoescape=True) for column in (users.c.email, users.c.name))
        asked = or_(*named) if wanted.text else true()
        if wanted.user_id is not None:
            asked = and_(asked, users.c.id == wanted.user_id)
        if before is not None:
            asked = and_(asked, users.c.id < before)
        live = select(func.count()).where(logins.c.user_id == users.c.id, is_live(now)).scalar_subquery()
        second = or_(
            exists().where(totp.c.user_id == users.c.id, totp.c.confirmed_at.is_not(None)),
            exists().where(passkeys.c.user_id == users.c.id),
        )
        query = select(users, live.label("logins"), second.label("second_factor"))
        query = query.where(asked).order_by(users.c.id.desc()).limit(limit)
        async with self._engine.connect() as db:
            rows = (await db.execute(query)).mappings()
            return [UserEntry(user_from(row), row["logins"], bool(row["second_factor"])) for row in rows]

    async def find_emails(self, user_ids: Collection[str]) -> Mapping[str, str]:
        query = select(users.c.id, users.c.email).where(users.c.id.in_(list(user_ids)))
        async with self._engine.connect() as db:
            return {row.id: row.email for row in await db.execute(query)}
