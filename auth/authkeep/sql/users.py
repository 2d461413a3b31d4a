"""Accounts in SQL, and the claim of the first admin."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, func, insert, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from authkeep.errors import EmailTaken, LastAdmin, RegistrationClosed
from authkeep.principal import Role
from authkeep.sql.audit import append_event
from authkeep.sql.engine import OnEngine
from authkeep.sql.logins import end_logins
from authkeep.sql.revocations import record
from authkeep.sql.rows import user_from, user_row
from authkeep.sql.tables import deletions, first_admin, metadata, tickets, users
from authkeep.store import Admission, AuditEvent, Ending, Revocation, User, UserChange

_REFERENCES = [
    key.parent for table in metadata.tables.values() for key in table.foreign_keys if key.column is users.c.id
]
_CHANGEABLE = ("name", "email", "email_key", "email_verified_at", "role", "disabled", "password_hash")


class SqlUsers(OnEngine):
    """`Users` and `FirstAdmin`."""

    async def add_user(self, user: User, admission: Admission, *, event: AuditEvent | None = None) -> User:
        try:
            async with self._engine.begin() as db:
                first = admission is not Admission.IMPORTED and await self._claim_first_admin(db, user.id)
                if admission is Admission.FIRST_ONLY and not first:
                    raise RegistrationClosed
                row = user_row(user) | ({"role": Role.ADMIN.value} if first else {})
                added = await db.execute(insert(users).values(row).returning(users))
                await append_event(db, event)
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

    async def find_costliest_bcrypt(self) -> str | None:
        # $2b$12$...: the cost stands in the fifth and sixth place.
        cost = func.substr(users.c.password_hash, 5, 2)
        query = select(users.c.password_hash).where(users.c.password_hash.like("$2_$%")).order_by(cost.desc()).limit(1)
        async with self._engine.connect() as db:
            found: str | None = (await db.execute(query)).scalar()
        return found

    async def _find_user(self, condition: ColumnElement[bool]) -> User | None:
        async with self._engine.connect() as db:
            row = (await db.execute(select(users).where(condition))).mappings().first()
        return user_from(row) if row else None

    async def change_user(
        self, user_id: str, change: UserChange, *, event: AuditEvent | None = None, also: AuditEvent | None = None
    ) -> tuple[User, Sequence[Revocation]] | None:
        condition = users.c.id == user_id
        if change.expected_password_hash is not None:
            condition = and_(condition, users.c.password_hash == change.expected_password_hash)
        try:
            async with self._engine.begin() as db:
                if change.disabled or change.role not in (None, Role.ADMIN):
                    await self._keep_an_admin_besides(db, user_id)
                changed = await db.execute(update(users).where(condition).values(_changes(change)).returning(users))
                row = changed.mappings().first()
                if row is None:
                    return None
                await append_event(db, event)
                await append_event(db, also)
                user = user_from(row)
                if change.voids_tickets:
                    await db.execute(delete(tickets).where(tickets.c.user_id == user_id))
                if change.ending is None:
                    return user, ()
                return user, await end_logins(db, user, change.ending, change.keep_sid)
        except IntegrityError:
            raise EmailTaken from None

    async def delete_user(
        self, user_id: str, ending: Ending, *, event: AuditEvent | None = None
    ) -> Sequence[Revocation] | None:
        async with self._engine.begin() as db:
            await self._keep_an_admin_besides(db, user_id)
            epoch = (await db.execute(delete(users).where(users.c.id == user_id).returning(users.c.epoch))).scalar()
            if epoch is None:
                return None
            # By hand too: not every host lets SQLite enforce foreign keys, and no credential may outlive its user.
            for reference in _REFERENCES:
                await db.execute(delete(reference.table).where(reference == user_id))
            entries = [Revocation(str(uuid7()), None, user_id, epoch + 1, ending.remember_until)]
            await record(db, entries)
            await db.execute(insert(deletions).values(user_id=user_id, deleted_at=ending.at))
            await append_event(db, event)
            return entries

    async def _keep_an_admin_besides(self, db: AsyncConnection, user_id: str) -> None:
        # Two admins who remove each other hold different rows. The claim of the first admin is one row that both can
        # take, so the second looks at who is left when the first has finished.
        dialect_insert = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        claim = dialect_insert(first_admin).values(slot=1, user_id=user_id)
        await db.execute(claim.on_conflict_do_update(index_elements=["slot"], set_={"slot": 1}))
        admins = select(users.c.id).where(users.c.role == Role.ADMIN.value, users.c.disabled.is_(False)).limit(2)
        if (await db.execute(admins)).scalars().all() == [user_id]:
            raise LastAdmin

    async def is_empty(self) -> bool:
        somebody = or_(exists(select(users.c.id)), exists(select(first_admin.c.slot)))
        async with self._engine.connect() as db:
            return not (await db.execute(select(somebody))).scalar_one()


def _changes(change: UserChange) -> dict[str, Any]:
    values: dict[str, Any] = {"epoch": users.c.epoch}
    if change.ending is not None and change.keep_sid is None:
        values["epoch"] = users.c.epoch + 1
    for name in _CHANGEABLE:
        value = getattr(change, name)
        if value is not None:
            values[name] = value
    return values
