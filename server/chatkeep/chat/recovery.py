"""What a process that died left behind: answers that claim to be written, and are written by nobody."""

from collections.abc import Collection
from datetime import datetime, timedelta

from chatkeep.chat.generations import find_running, interrupt_generation, list_stale
from chatkeep.chat.messages import set_status
from chatkeep.chat.records import Generation, State
from chatkeep.db import Database, Db
from chatkeep.identity import OwnerId
from chatkeep.row_security import EVERYBODY

# Runners give a sign of life every second; instances' clocks may differ by a few.
STALE_AFTER = timedelta(seconds=10)
# The reason in the terminal event.
CRASH = "crash"


async def recover(database: Database, before: datetime, now: datetime, alive: Collection[str]) -> int:
    """Interrupt what has given no sign of life since `before` and is not among `alive`; returns how many.

    The text stays as the last checkpoint left it.
    """
    count = 0
    async with database.writing(EVERYBODY) as db:
        for stale in await list_stale(db, before):
            if stale.id not in alive and await interrupt_generation(db, stale.id, CRASH, now):
                await set_status(db, stale.owner, stale.message_id, State.INTERRUPTED)
                count += 1
    return count


async def find_living(db: Db, owner: OwnerId, session_id: str, now: datetime) -> Generation | None:
    """The generation that is writing into the owner's session, or None; one that only claims to is interrupted."""
    generation = await find_running(db, owner, session_id)
    return None if generation and await interrupt_if_stale(db, owner, generation, now) else generation


async def interrupt_if_stale(db: Db, owner: OwnerId, generation: Generation, now: datetime) -> bool:
    """Whether the generation was without a runner, and is interrupted now."""
    if not generation.state.is_running or generation.heartbeat_at > now - STALE_AFTER:
        return False
    if await interrupt_generation(db, generation.id, CRASH, now):
        await set_status(db, owner, generation.message_id, State.INTERRUPTED)
    return True
