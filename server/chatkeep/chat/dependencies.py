"""What the routes of chats are given: the services of this application, and the one transaction of this request."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Query, Request

from chatkeep.chat.errors import ImportsBusy, StorageFull
from chatkeep.chat.event_log import EventLog
from chatkeep.chat.open_streams import OpenStreams
from chatkeep.chat.records import Generation
from chatkeep.chat.runner import GenerationRunner
from chatkeep.chat.stored import stored_bytes
from chatkeep.db import Database, Db
from chatkeep.identity import ChatOwner, OwnerId
from chatkeep.limits.turns import NoTurn, Turns
from chatkeep.llm.catalogue import ModelCatalogue

_IMPORTS_AT_ONCE = 2
_IMPORT_PATIENCE_SECONDS = 60.0
_IMPORTED_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ChatServices:
    """Made by the composition root, held by the application's state."""

    database: Database
    catalogue: ModelCatalogue
    runner: GenerationRunner
    streams: OpenStreams
    imports: Turns = field(default_factory=lambda: Turns(_IMPORTS_AT_ONCE, per_owner=1))
    imported_bytes: int = _IMPORTED_BYTES

    async def default_for(self, owner: OwnerId, model: str | None) -> str | None:
        """The model that answers where none is named, once `owner` may have one more stream and `model` is on offer.

        To be asked before a transaction is open: the endpoint may take its time.

        Raises:
            TooManyStreams, UnknownModel: see `chat.errors` and `llm.catalogue`.
        """
        self.streams.check(owner)
        if model is not None:
            await self.catalogue.check(model)
        return await self.catalogue.known_default()

    @asynccontextmanager
    async def importing(self, owner: OwnerId) -> AsyncIterator[int]:
        """A place to import a file at, of which one user has one; gives how many bytes `owner` may still add.

        Raises:
            ImportsBusy, StorageFull: see `chat.errors`.
        """
        try:
            async with self.imports.turn(owner, patience=_IMPORT_PATIENCE_SECONDS):
                async with self.database.reading(owner) as db:
                    room = self.imported_bytes - await stored_bytes(db, owner)
                if room <= 0:
                    raise StorageFull(self.imported_bytes)
                yield room
        except NoTurn:
            raise ImportsBusy from None

    @contextmanager
    def following(self, owner: OwnerId, generation: Generation) -> Iterator[EventLog]:
        """The log of the owner's generation, counted as an open stream while the block lasts."""
        with self.streams.counted(owner), self.runner.following(owner, generation) as log:
            yield log


async def _services(request: Request) -> ChatServices:
    return cast(ChatServices, request.app.state.chat)


Services = Annotated[ChatServices, Depends(_services)]


async def _writing(services: Services, owner: ChatOwner) -> AsyncIterator[Db]:
    async with services.database.writing(owner) as db:
        yield db


async def _reading(services: Services, owner: ChatOwner) -> AsyncIterator[Db]:
    async with services.database.reading(owner) as db:
        yield db


# Scope "function": committed when the route function returns, before the response begins. The framework's default would
# commit after the response has left, and hold the connection until the end of a stream.
WritingDb = Annotated[Db, Depends(_writing, scope="function")]
ReadingDb = Annotated[Db, Depends(_reading, scope="function")]

CursorText = Annotated[str | None, Query(max_length=200, description="next_cursor of the page before.")]
