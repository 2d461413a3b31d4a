"""External identities in SQL."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import and_, delete, exists, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from authkeep.errors import EmailTaken
from authkeep.oidc.errors import IdentityTaken, LastWayIn
from authkeep.sql.audit import append_event
from authkeep.sql.engine import OnEngine
from authkeep.sql.rows import identity_from, identity_row, user_from, user_row
from authkeep.sql.tables import identities, passkeys, users
from authkeep.store import AuditEvent, Identity, User


class SqlIdentities(OnEngine):
    """`Identities`."""

    async def use_identity(self, issuer: str, subject: str, now: datetime) -> User | None:
        this = and_(identities.c.issuer == issuer, identities.c.subject == subject)
        using = update(identities).where(this).values(last_used_at=now).returning(identities.c.user_id)
        async with self._engine.begin() as db:
            user_id = (await db.execute(using)).scalar()
            row = (await db.execute(select(users).where(users.c.id == user_id))).mappings().first()
        return user_from(row) if row else None

    async def add_user_with_identity(self, user: User, identity: Identity, *, event: AuditEvent | None = None) -> None:
        async with self._engine.begin() as db:
            try:
                await db.execute(insert(users).values(user_row(user)))
            except IntegrityError:
                raise EmailTaken from None
            await _add(db, identity)
            await append_event(db, event)

    async def add_identity(self, identity: Identity, *, event: AuditEvent | None = None) -> None:
        async with self._engine.begin() as db:
            await _add(db, identity)
            await append_event(db, event)

    async def list_identities(self, user_id: str, limit: int, before: str | None) -> Sequence[Identity]:
        mine = identities.c.user_id == user_id
        if before is not None:
            mine = and_(mine, identities.c.id < before)
        query = select(identities).where(mine).order_by(identities.c.id.desc()).limit(limit)
        async with self._engine.connect() as db:
            return [identity_from(row) for row in (await db.execute(query)).mappings()]

    async def remove_identity(
        self, identity_id: str, user_id: str, usable: Collection[str], *, event: AuditEvent | None = None
    ) -> bool:
        mine = and_(identities.c.id == identity_id, identities.c.user_id == user_id)
        another = and_(identities.c.user_id == user_id, identities.c.issuer.in_(usable))
        a_way_in = or_(
            exists().where(users.c.id == user_id, users.c.password_hash.is_not(None)),
            exists().where(passkeys.c.user_id == user_id),
            exists().where(another),
        )
        async with self._engine.begin() as db:
            # Locks the user: of two identities that are removed at once, one has to see that it is the last.
            await db.execute(update(users).where(users.c.id == user_id).values(epoch=users.c.epoch))
            if (await db.execute(delete(identities).where(mine).returning(identities.c.id))).first() is None:
                return False
            if not (await db.execute(select(a_way_in))).scalar_one():
                raise LastWayIn
            await append_event(db, event)
            return True


async def _add(db: AsyncConnection, identity: Identity) -> None:
    try:
        await db.execute(insert(identities).values(identity_row(identity)))
    except IntegrityError:
        raise IdentityTaken from None
