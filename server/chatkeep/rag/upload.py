"""Files on their way in: from the socket to the disk, counted while they come, and queued once they are whole."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from chatkeep.db import Database, Db
from chatkeep.errors import NotFound
from chatkeep.identity import OwnerId
from chatkeep.rag.blobs import Arrival, Blobs
from chatkeep.rag.collections import get_writable
from chatkeep.rag.documents import NewFile, add_document, new_document_id, stored_bytes
from chatkeep.rag.errors import DocumentsFull, UploadInvalid, UploadTooLarge, UploadTooSlow
from chatkeep.rag.file_names import clean_filename
from chatkeep.rag.form_parts import Part, PartEnd, read_form
from chatkeep.rag.records import Document
from chatkeep.rag.tenants import collection_tenant, personal_tenant

_FIRST_SECONDS = 10.0
# One megabit: a mobile network brings that.
_SLOWEST_BYTES_PER_SECOND = 128 * 1024
_LONGEST_FIELD = 200


@dataclass(frozen=True, slots=True)
class Room:
    """What may be uploaded: the size of one file, and of all that one person has, in bytes."""

    file: int
    owner: int


@dataclass(frozen=True, slots=True)
class _File:
    new: NewFile
    arrival: Arrival


class Upload:
    """One request with files. Within the block what has come lies on the disk; what was not queued is gone after it."""

    def __init__(self, database: Database, blobs: Blobs, owner: OwnerId, room: Room) -> None:
        self._database = database
        self._blobs = blobs
        self._owner = owner
        self._room = room
        self._left = 0
        self._collection_id: str | None = None
        self._files: list[_File] = []
        self._disk = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._disk.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._disk.aclose()

    async def receive(self, body: AsyncIterator[bytes], content_type: str) -> None:
        """Take all that comes, as long as it keeps coming.

        Raises:
            UploadInvalid, UploadTooLarge, UploadTooSlow, DocumentsFull
            NotFound, ReadOnly: the collection is none that the owner may write to.
        """
        async with self._database.reading(self._owner) as db:
            self._left = self._room.owner - await stored_bytes(db, self._owner)
        if self._left <= 0:
            raise self._full()
        arrival: Arrival | None = None
        part, text = Part("", None), bytearray()
        async for event in read_form(paced(body), content_type):
            match event:
                case Part():
                    part, text = event, bytearray()
                    arrival = await self._begin(event)
                case PartEnd():
                    await self._end(part, arrival, bytes(text))
                case _ if arrival is not None:
                    await self._take(arrival, event)
                case _:
                    text += event
                    if len(text) > _LONGEST_FIELD:
                        raise UploadInvalid("A field of the form is too long.")
        if not self._files:
            raise UploadInvalid("There is no file in the form: send each in a part with the name file.")

    async def queue(self, now: datetime) -> list[Document]:
        """Give the files their names, and write down that they are to be read.

        Raises:
            DocumentsFull, NotFound, ReadOnly
        """
        tenant = collection_tenant(self._collection_id) if self._collection_id else personal_tenant(self._owner)
        kept = {file.new.id for file in self._files}
        try:
            for file in self._files:
                await self._blobs.keep(file.arrival, tenant, file.new.id)
            async with self._database.writing(self._owner) as db:
                added = [await self._add(db, file.new, now) for file in self._files]
            kept -= {document.id for document in added}
        finally:
            # Those that are there already under another name, or all of them.
            for document_id in kept:
                await self._blobs.delete(tenant, document_id)
        return added

    async def _begin(self, part: Part) -> Arrival | None:
        # An empty name is how a browser sends a field in which no file was chosen.
        return await self._disk.enter_async_context(self._blobs.arriving()) if part.filename else None

    async def _take(self, arrival: Arrival, piece: bytes) -> None:
        self._left -= len(piece)
        if arrival.size + len(piece) > self._room.file:
            raise UploadTooLarge(self._room.file)
        if self._left < 0:
            raise self._full()
        await arrival.write(piece)

    async def _end(self, part: Part, arrival: Arrival | None, text: bytes) -> None:
        if arrival is not None:
            await arrival.flush()
            name = clean_filename(part.filename or "")
            self._files.append(_File(NewFile(new_document_id(), arrival.sha256, name, arrival.size), arrival))
        elif part.name == "collection_id" and text.strip():
            await self._choose(text)

    async def _choose(self, text: bytes) -> None:
        try:
            self._collection_id = str(UUID(text.decode().strip()))
        except ValueError:
            raise NotFound from None
        # Asked at once, so that nobody sends a hundred megabytes for nothing; and again when it is queued.
        async with self._database.reading(self._owner) as db:
            await get_writable(db, self._owner, self._collection_id)

    async def _add(self, db: Db, file: NewFile, now: datetime) -> Document:
        if self._collection_id is not None:
            await get_writable(db, self._owner, self._collection_id)
        document = await add_document(db, self._owner, self._collection_id, file, now)
        # Added first, which on PostgreSQL waits for others who upload for the same person.
        if await stored_bytes(db, self._owner) > self._room.owner:
            raise self._full()
        return document

    def _full(self) -> DocumentsFull:
        return DocumentsFull(f"Your documents may take {self._room.owner >> 20} MiB in all. Delete some of them.")


async def paced(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The body, as long as it keeps coming: what has come buys the time for more.

    Raises:
        UploadTooSlow: it does not.
    """
    loop = asyncio.get_running_loop()
    begun, size = loop.time(), 0
    pieces = aiter(body)
    while True:
        try:
            async with asyncio.timeout_at(begun + _FIRST_SECONDS + size / _SLOWEST_BYTES_PER_SECOND):
                piece = await anext(pieces)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise UploadTooSlow from None
        size += len(piece)
        yield piece
