"""Documents are read by the server, not by a request: the ingester takes them from the queue as long as it lives.

Few at once: each reads in a process of its own, which may take a gigabyte.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime

from chatkeep.db import Database
from chatkeep.rag.ingestion import ClaimLost, Equipment, Ingestion
from chatkeep.rag.ingestion_queue import claim_next, disown_all, keep_alive
from chatkeep.row_security import EVERYBODY

log = logging.getLogger(__name__)

_LOOK_SECONDS = 5.0
_ALIVE_SECONDS = 2.0
# At the end: beyond this a database that does not answer is no reason to stay.
_RELEASE_SECONDS = 5.0


class Ingester:
    """Opened and closed by the application's lifespan.

    Args:
        at_once: how many documents are read at once here.
        per_owner: of these, one owner's, on all instances together.
    """

    def __init__(self, equipment: Equipment, at_once: int = 2, per_owner: int = 1) -> None:
        self._with = equipment
        self._at_once = at_once
        self._per_owner = per_owner
        self._running: dict[str, tuple[Ingestion, asyncio.Task[None]]] = {}
        self._wanted = asyncio.Event()
        self._clockwork: list[asyncio.Task[None]] = []
        self.draining = False

    @property
    def _database(self) -> Database:
        return self._with.database

    @property
    def _now(self) -> Callable[[], datetime]:
        return self._with.now

    async def open(self) -> None:
        """Take up what a former process left, and what comes."""
        if self._database.is_sqlite:
            # There is no other process: what is being read at the start is not, and nothing is arriving.
            async with self._database.writing(EVERYBODY) as db:
                await disown_all(db, self._now())
        await self._with.blobs.sweep(*([0.0] if self._database.is_sqlite else []))
        self._clockwork = [
            asyncio.create_task(self._keep_taking(), name="ingester"),
            asyncio.create_task(self._keep_alive(), name="ingester signs of life"),
        ]

    def wake(self) -> None:
        """There is something in the queue; to be called once it is committed."""
        self._wanted.set()

    def drain(self) -> None:
        """Take nothing new, and let those who follow go."""
        self.draining = True

    async def aclose(self) -> None:
        """Take nothing more, and put back what is being read: it goes on where it was, here or elsewhere."""
        self.draining = True
        for task in self._clockwork:
            task.cancel()
        running = [task for _, task in self._running.values()]
        for task in running:
            task.cancel()
        if self._clockwork or running:
            await asyncio.wait([*self._clockwork, *running], timeout=_RELEASE_SECONDS)

    async def _keep_taking(self) -> None:
        while True:
            self._wanted.clear()
            try:
                while not self.draining and len(self._running) < self._at_once and await self._take_one():
                    pass
            except Exception:  # a database that is away for a while must not end all reading after it
                log.exception("the queue of documents was not read; it will be tried again")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._wanted.wait()

    async def _take_one(self) -> bool:
        async with self._database.writing(EVERYBODY) as db:
            claimed = await claim_next(db, self._now(), self._per_owner)
        if claimed is None:
            return False
        ingestion = Ingestion(self._with, claimed)
        task = asyncio.create_task(self._run(ingestion), name="ingestion")
        self._running[claimed.claim] = (ingestion, task)
        return True

    async def _run(self, ingestion: Ingestion) -> None:
        try:
            await ingestion.run()
        except ClaimLost:
            await ingestion.let_go()
        except asyncio.CancelledError:
            # By the end of the process, or because the claim was lost.
            await asyncio.shield(ingestion.let_go())
            raise
        except Exception:  # it has not been foreseen; the attempts are counted, so it ends some time
            log.exception("a document could not be ingested")
        finally:
            self._running.pop(ingestion.claimed.claim, None)
            self.wake()

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(_ALIVE_SECONDS)
            if not self._running:
                continue
            try:
                await self._give_signs_of_life()
            except Exception:  # as above
                log.exception("no sign of life could be given for the documents that are being read")

    async def _give_signs_of_life(self) -> None:
        claims = {claim: ingestion.done for claim, (ingestion, _) in self._running.items()}
        async with self._database.writing(EVERYBODY) as db:
            lost = await keep_alive(db, claims, self._now())
        for claim in lost:
            if claim in self._running:
                self._running[claim][1].cancel()
