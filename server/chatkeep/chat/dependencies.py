"""What the routes of chats are given: the services of this application, and the one transaction of this request."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Query, Request

from chatkeep.chat.event_log import EventLog
from chatkeep.chat.open_streams import OpenStreams
from chatkeep.chat.records import Generation
from chatkeep.chat.runner import GenerationRunner
from chatkeep.db import Database, Db
from chatkeep.identity import ChatOwner, OwnerId
from chatkeep.llm.catalogue import ModelCatalogue

_IMPORTS_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class ChatServices:
    """Made by the composition root, held by the application's state."""

    database: Database
    catalogue: ModelCatalogue
    runner: GenerationRunner
    streams: OpenStreams
    imports: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_IMPORTS_AT_ONCE))

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

    @contextmanager
    def following(self, owner: OwnerId, generation: Generation) -> Iterator[EventLog]:
        """The log of the owner's generation, counted as an open stream while the block lasts."""
        with self.streams.counted(owner), self.runner.following(owner, generation) as log:
            yield log


def _services(request: Request) -> ChatServices:
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
