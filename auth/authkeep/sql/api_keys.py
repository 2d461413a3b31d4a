"""API keys in SQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import and_, bindparam, delete, func, insert, or_, select, update

from authkeep.sql.audit import append_event
from authkeep.sql.engine import OnEngine
from authkeep.sql.revocations import record
from authkeep.sql.rows import api_key_from, api_key_row, user_from
from authkeep.sql.tables import api_keys, users
from authkeep.store import ApiKey, AuditEvent, Revocation, User


class SqlApiKeys(OnEngine):
    """`ApiKeys`."""

    async def add_api_key(self, key: ApiKey, limit: int, *, event: AuditEvent | None = None) -> bool:
        owner = and_(users.c.id == key.user_id, users.c.disabled.is_(False))
        count = select(func.count()).select_from(api_keys).where(api_keys.c.user_id == key.user_id)
        async with self._engine.begin() as db:
            # Writes nothing new: it locks the user, so that two who add at once are counted one after the other.
            locked = await db.execute(update(users).where(owner).values(epoch=users.c.epoch).returning(users.c.id))
            if locked.first() is None or (await db.execute(count)).scalar_one() >= limit:
                return False
            await db.execute(insert(api_keys).values(api_key_row(key)))
            await append_event(db, event)
            return True

    async def find_api_key(self, secret_hash: str) -> tuple[ApiKey, User] | None:
        async with self._engine.connect() as db:
            query = select(api_keys).where(api_keys.c.secret_hash == secret_hash)
            key = (await db.execute(query)).mappings().first()
            if key is None:
                return None
            user = (await db.execute(select(users).where(users.c.id == key["user_id"]))).mappings().first()
        return (api_key_from(key), user_from(user)) if user else None

    async def list_api_keys(self, user_id: str, limit: int, before: str | None) -> Sequence[ApiKey]:
        mine = select(api_keys).where(api_keys.c.user_id == user_id)
        if before is not None:
            mine = mine.where(api_keys.c.id < before)
        async with self._engine.connect() as db:
            rows = (await db.execute(mine.order_by(api_keys.c.id.desc()).limit(limit))).mappings()
            return [api_key_from(row) for row in rows]

    async def revoke_api_key(self, revocation: Revocation, *, event: AuditEvent | None = None) -> bool:
        its = and_(api_keys.c.id == revocation.sid, api_keys.c.user_id == revocation.user_id)
        async with self._engine.begin() as db:
            if (await db.execute(delete(api_keys).where(its).returning(api_keys.c.id))).first() is None:
                return False
            await record(db, [revocation])
            await append_event(db, event)
            return True

    async def note_api_keys_used(self, used: Mapping[str, datetime]) -> None:
        if not used:
            return
        at = bindparam("at", type_=api_keys.c.last_used_at.type)
        later = or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < at)
        noting = update(api_keys).where(api_keys.c.id == bindparam("key"), later).values(last_used_at=at)
        async with self._engine.begin() as db:
            await db.execute(noting, [{"key": key_id, "at": moment} for key_id, moment in sorted(used.items())])
