"""What the routes of documents are given: the services of this application, and the one transaction of this request."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Query, Request

from chatkeep.db import Database, Db
from chatkeep.embedding.port import Embedder
from chatkeep.identity import DocumentsOwner, OwnerId
from chatkeep.index.port import Indexes, VectorIndex
from chatkeep.limits.turns import NoTurn, Turns
from chatkeep.rag.blobs import Blobs
from chatkeep.rag.erasure import Eraser
from chatkeep.rag.errors import DocumentsDraining, TooManyFollowers, TooManyUploads
from chatkeep.rag.ingester import Ingester
from chatkeep.rag.retrieve import Retriever
from chatkeep.rag.upload import Room, Upload

_UPLOADS_AT_ONCE = 32
_UPLOADS_PER_OWNER = 4
_UPLOAD_PATIENCE_SECONDS = 30.0
_MOST_FOLLOWERS = 64


@dataclass(frozen=True, slots=True)
class DocumentServices:
    """Made by the composition root, held by the application's state.

    `searched` gives the indexes that hold points now, the one for `embedder` first.
    """

    database: Database
    blobs: Blobs
    embedder: Embedder
    indexes: Indexes
    searched: Callable[[], Sequence[VectorIndex]]
    retriever: Retriever
    ingester: Ingester
    eraser: Eraser
    room: Room
    uploads: Turns = field(default_factory=lambda: Turns(_UPLOADS_AT_ONCE, per_owner=_UPLOADS_PER_OWNER))
    followers: Counter[OwnerId] = field(default_factory=Counter)

    @asynccontextmanager
    async def uploading(self, owner: OwnerId) -> AsyncIterator[Upload]:
        """A place to upload at, of which one user has few.

        Raises:
            TooManyUploads, DocumentsDraining: see `rag.errors`.
        """
        if self.ingester.draining:
            raise DocumentsDraining
        try:
            async with (
                self.uploads.turn(owner, patience=_UPLOAD_PATIENCE_SECONDS),
                Upload(self.database, self.blobs, owner, self.room) as upload,
            ):
                yield upload
        except NoTurn:
            raise TooManyUploads from None

    def check_followers(self, owner: OwnerId) -> None:
        """Let one more pass.

        Raises:
            TooManyFollowers: the owner has as many streams open as anybody may.
        """
        if self.followers[owner] >= _MOST_FOLLOWERS:
            raise TooManyFollowers(_MOST_FOLLOWERS)

    @contextmanager
    def following(self, owner: OwnerId) -> Iterator[None]:
        """One stream of `owner`, open while the block lasts."""
        self.followers[owner] += 1
        try:
            yield
        finally:
            self.followers[owner] -= 1
            if not self.followers[owner]:
                del self.followers[owner]


async def _services(request: Request) -> DocumentServices:
    return cast(DocumentServices, request.app.state.documents)


Services = Annotated[DocumentServices, Depends(_services)]


async def _writing(services: Services, owner: DocumentsOwner) -> AsyncIterator[Db]:
    async with services.database.writing(owner) as db:
        yield db


async def _reading(services: Services, owner: DocumentsOwner) -> AsyncIterator[Db]:
    async with services.database.reading(owner) as db:
        yield db


# Committed when the route function returns, before the response begins: as in the dependencies of chats.
WritingDb = Annotated[Db, Depends(_writing, scope="function")]
ReadingDb = Annotated[Db, Depends(_reading, scope="function")]

CursorText = Annotated[str | None, Query(max_length=200, description="next_cursor of the page before.")]
