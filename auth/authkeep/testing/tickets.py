"""Tickets in memory."""

from dataclasses import replace
from datetime import datetime

from authkeep.store import Purpose, Ticket
from authkeep.testing.tables import Tables


class MemoryTickets(Tables):
    """`Tickets`."""

    async def add_ticket(self, ticket: Ticket, *, replacing: bool = False) -> None:
        if replacing and ticket.user_id is not None:
            await self.drop_tickets(ticket.user_id, ticket.purpose)
        self.tickets[ticket.id] = ticket

    async def find_ticket(self, purpose: Purpose, secret_hash: str, now: datetime) -> Ticket | None:
        good = (ticket for ticket in self.tickets.values() if ticket.purpose is purpose and ticket.expires_at > now)
        return next((ticket for ticket in good if ticket.secret_hash == secret_hash), None)

    async def take_ticket(self, purpose: Purpose, secret_hash: str, now: datetime) -> Ticket | None:
        ticket = await self.find_ticket(purpose, secret_hash, now)
        return self.tickets.pop(ticket.id) if ticket else None

    async def count_attempt(self, ticket_id: str, limit: int) -> bool:
        ticket = self.tickets.pop(ticket_id, None)
        if ticket is None or ticket.attempts + 1 >= limit:
            return False
        self.tickets[ticket_id] = replace(ticket, attempts=ticket.attempts + 1)
        return True

    async def drop_tickets(self, user_id: str, purpose: Purpose) -> None:
        held = [key for key, ticket in self.tickets.items() if (ticket.user_id, ticket.purpose) == (user_id, purpose)]
        for key in held:
            del self.tickets[key]
