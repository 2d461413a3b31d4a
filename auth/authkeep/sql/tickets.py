"""Tickets in SQL."""

import contextlib
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from authkeep.sql.engine import OnEngine
from authkeep.sql.rows import ticket_from, ticket_row
from authkeep.sql.tables import tickets
from authkeep.store import Purpose, Ticket


class SqlTickets(OnEngine):
    """`Tickets`."""

    async def add_ticket(self, ticket: Ticket, *, replacing: bool = False) -> None:
        # Where the user has just gone there is nothing to store, and nobody to tell: what is not there opens nothing.
        with contextlib.suppress(IntegrityError):
            async with self._engine.begin() as db:
                if replacing:
                    await db.execute(delete(tickets).where(_held(ticket.user_id, ticket.purpose)))
                await db.execute(insert(tickets).values(ticket_row(ticket)))

    async def find_ticket(self, purpose: Purpose, secret_hash: str, now: datetime) -> Ticket | None:
        async with self._engine.connect() as db:
            row = (await db.execute(select(tickets).where(_good(purpose, secret_hash, now)))).mappings().first()
        return ticket_from(row) if row else None

    async def take_ticket(self, purpose: Purpose, secret_hash: str, now: datetime) -> Ticket | None:
        taking = delete(tickets).where(_good(purpose, secret_hash, now)).returning(tickets)
        async with self._engine.begin() as db:
            row = (await db.execute(taking)).mappings().first()
        return ticket_from(row) if row else None

    async def count_attempt(self, ticket_id: str, limit: int) -> bool:
        this = tickets.c.id == ticket_id
        counting = update(tickets).where(this).values(attempts=tickets.c.attempts + 1).returning(tickets.c.attempts)
        async with self._engine.begin() as db:
            attempts = (await db.execute(counting)).scalar()
            if attempts is not None and attempts < limit:
                return True
            await db.execute(delete(tickets).where(this))
            return False

    async def drop_tickets(self, user_id: str, purpose: Purpose) -> None:
        async with self._engine.begin() as db:
            await db.execute(delete(tickets).where(_held(user_id, purpose)))


def _held(user_id: str | None, purpose: Purpose) -> ColumnElement[bool]:
    return and_(tickets.c.user_id == user_id, tickets.c.purpose == purpose.value)


def _good(purpose: Purpose, secret_hash: str, now: datetime) -> ColumnElement[bool]:
    return and_(tickets.c.secret_hash == secret_hash, tickets.c.purpose == purpose.value, tickets.c.expires_at > now)
