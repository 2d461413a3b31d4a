"""The composition of documents: which embedder, which index, where the originals are. For `app` alone."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from chatkeep.chat.drawing_on import DrawingOn
from chatkeep.db import Database, DatabaseClock
from chatkeep.embedding.builtin import RELATED, BuiltinEmbedder
from chatkeep.embedding.minilm import ModelMissing, find_model
from chatkeep.embedding.port import Embedder
from chatkeep.embedding.selection import BUILTIN, NONE, build_embedder
from chatkeep.identity import OwnerId
from chatkeep.index.naming import index_name
from chatkeep.index.port import Indexes, IndexSpec
from chatkeep.index.selection import build_indexes
from chatkeep.llm.catalogue import ModelCatalogue
from chatkeep.parsing.limits import Limits
from chatkeep.rag.blobs import Blobs
from chatkeep.rag.dependencies import DocumentServices
from chatkeep.rag.erasure import Eraser, delete_documents_of
from chatkeep.rag.ingester import Ingester
from chatkeep.rag.ingestion import Equipment
from chatkeep.rag.orphans import Doctor
from chatkeep.rag.reindexing import Reindexer
from chatkeep.rag.retrieve import Retriever
from chatkeep.rag.routes_collections import router as collections_router
from chatkeep.rag.routes_documents import router as documents_router
from chatkeep.rag.routes_search import router as search_router
from chatkeep.rag.upload import Room
from chatkeep.row_security import EVERYBODY
from chatkeep.settings import Settings

log = logging.getLogger(__name__)

_MIB = 2**20


class Documents:
    """Made before anything runs. `services` are for the routes, and for whoever searches.

    Raises:
        ValueError: the settings name something that cannot be used; the text says which.
    """

    routers = (documents_router, collections_router, search_router)

    def __init__(self, settings: Settings, database: Database, indexes: Indexes) -> None:
        embedder, tokenizer = _embedder(settings)
        spec = IndexSpec(embedder.name, embedder.dimension, _language(settings))
        clock = DatabaseClock(database)
        blobs = Blobs(settings.data_dir / "documents")
        limits = Limits(file_bytes=settings.upload_megabytes * _MIB, tokenizer=tokenizer)
        room = Room(settings.upload_megabytes * _MIB, settings.documents_megabytes * _MIB)
        index = indexes.open(spec)
        equipment = Equipment(database, blobs, embedder, index, index_name(spec), limits, clock.now, room.owner)
        self._clock = clock
        self._reindexer = Reindexer(equipment, indexes, spec)
        related = RELATED if isinstance(embedder, BuiltinEmbedder) else None
        self.services = DocumentServices(
            database,
            blobs,
            embedder,
            indexes,
            self._reindexer.searched,
            Retriever(database, embedder, self._reindexer.searched, related=related),
            # One owner's never take all places, where there are several.
            Ingester(equipment, settings.documents_at_once, max(1, settings.documents_at_once - 1)),
            Eraser(database, blobs, indexes, clock.now),
            room,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Read what is queued and erase what is owed, for the life of the process."""
        services = self.services
        async with AsyncExitStack() as stack:
            stack.push_async_callback(services.embedder.aclose)
            await self._clock.compare()
            stack.push_async_callback(services.ingester.aclose)
            await services.ingester.open()
            await self._reindexer.open()
            erasing = asyncio.create_task(services.eraser.keep_erasing(), name="eraser")
            moving = asyncio.create_task(self._reindexer.keep_moving(), name="reindexer")
            yield
            for task in (erasing, moving):
                task.cancel()
            await asyncio.wait((erasing, moving))

    def drawing_on(self, catalogue: ModelCatalogue) -> DrawingOn:
        """For the answers in chats."""
        return DrawingOn(catalogue, self.services.retriever, self.services.embedder)

    async def forget(self, owner: OwnerId) -> None:
        """Delete everything of an owner who is no more."""
        async with self.services.database.writing(EVERYBODY) as db:
            await delete_documents_of(db, owner, self._clock.now())
            db.on_commit(self.services.eraser.wake)


@asynccontextmanager
async def doctor_for(settings: Settings, *, repair: bool = False) -> AsyncIterator[Doctor]:
    """A doctor without a server around it: for the command line.

    Raises:
        ValueError, DatabaseUnusable: see `Database`; or documents are not installed.
    """
    secret = settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None
    indexes = build_indexes(settings.data_dir, settings.qdrant_url, secret)
    if indexes is None:
        raise ValueError("There are no documents: chatkeep[documents] is not installed.")
    database = Database(settings.effective_database_url)
    try:
        await database.check()
        yield Doctor(database, Blobs(settings.data_dir / "documents"), indexes, repair=repair)
    finally:
        await indexes.aclose()
        await database.aclose()


def _embedder(settings: Settings) -> tuple[Embedder, str | None]:
    """With the path of its tokenizer, by which chunks are measured, where that is known."""
    key = settings.embedding_api_key.get_secret_value() if settings.embedding_api_key else None
    model, tokenizer = settings.embedding_model, None
    if model == BUILTIN:
        try:
            tokenizer = str(find_model() / "tokenizer.json")
        except ModelMissing:
            log.warning("Documents are found by their words alone: the built-in embedding model is not installed.")
            model = NONE
    return build_embedder(model, settings.embedding_base_url, key, settings.embedding_dimension), tokenizer


def _language(settings: Settings) -> str | None:
    return None if settings.search_language == "none" else settings.search_language
