"""Random people, collections, memberships and deletions: no query ever returns what its asker may not read.

What may be read is kept beside the database in plain sets, by the rules as a person would say them.
"""

from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

import pytest
from sqlalchemy import insert, select, update

from chatkeep.db import Database
from chatkeep.errors import NotFound
from chatkeep.identity import OwnerId
from chatkeep.rag.collections import create_collection, list_collections
from chatkeep.rag.documents import (
    NewFile,
    Shelf,
    add_document,
    find_chunks,
    get_writable_document,
    list_documents,
    new_document_id,
)
from chatkeep.rag.erasure import delete_collection, delete_document, delete_documents_of
from chatkeep.rag.errors import NotTheOwner, ReadOnly
from chatkeep.rag.members import share, unshare
from chatkeep.rag.records import EVERYONE, Role, Status
from chatkeep.rag.tables import document_chunks, documents
from chatkeep.rag.tenants import list_tenants
from chatkeep.row_security import EVERYBODY

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
STEPS = 60
CHUNK = {"n": 1, "text": "secret", "headings": [], "start": 0, "end": 6, "tokens": 1}


@dataclass
class World:
    """What there is: collections with their owner and members, documents with their uploader and collection."""

    people: list[OwnerId]
    collections: dict[str, tuple[OwnerId, dict[str, Role]]] = field(default_factory=dict)
    documents: dict[str, tuple[OwnerId, str | None]] = field(default_factory=dict)

    def role(self, person: OwnerId, collection_id: str) -> Role | None:
        owner, members = self.collections[collection_id]
        return Role.OWNER if owner == person else members.get(person) or members.get(EVERYONE)

    def reads(self, person: OwnerId) -> set[str]:
        return {
            document_id
            for document_id, (uploader, collection_id) in self.documents.items()
            if (uploader == person if collection_id is None else self.role(person, collection_id))
        }

    def writes(self, person: OwnerId, document_id: str) -> bool:
        uploader, collection_id = self.documents[document_id]
        if collection_id is None:
            return uploader == person
        return self.role(person, collection_id) in (Role.OWNER, Role.EDITOR)

    def forget(self, collection_id: str) -> None:
        del self.collections[collection_id]
        self.documents = {key: value for key, value in self.documents.items() if value[1] != collection_id}


class Story:
    """Anybody tries anything; what is allowed is told to the world, and nothing else may have happened."""

    def __init__(self, database: Database, random: Random) -> None:
        self.database, self.random = database, random
        self.world = World([OwnerId(f"0198c0de-0000-7000-8000-00000000000{n}") for n in range(5)])

    async def step(self) -> None:
        person = self.random.choice(self.world.people)
        deeds = [self.create, self.add, self.add, self.let_in, self.let_in, self.take_out, self.delete, self.delete_all]
        deed = self.random.choice([*deeds, self.end_account] if self.random.random() < 0.1 else deeds)
        with suppress(NotFound, NotTheOwner, ReadOnly):
            await deed(person)

    def any_collection(self) -> str:
        return self.random.choice([*self.world.collections, new_document_id()])

    async def create(self, person: OwnerId) -> None:
        async with self.database.writing(person) as db:
            made = await create_collection(db, person, "x", "", NOW)
        self.world.collections[made.id] = (person, {})

    async def add(self, person: OwnerId) -> None:
        collection_id = self.any_collection() if self.random.random() < 0.7 else None
        allowed = collection_id in self.world.collections and self.world.role(person, str(collection_id))
        if collection_id is not None and allowed not in (Role.OWNER, Role.EDITOR):
            return
        file = NewFile(new_document_id(), new_document_id().replace("-", ""), "x.txt", 1)
        async with self.database.writing(person) as db:
            await add_document(db, person, collection_id, file, NOW)
        async with self.database.writing(EVERYBODY) as db:
            await db.execute(update(documents).where(documents.c.id == file.id).values(status=Status.READY))
            await db.execute(insert(document_chunks).values(document_id=file.id, **CHUNK))
        self.world.documents[file.id] = (person, collection_id)

    async def let_in(self, person: OwnerId) -> None:
        collection_id, role = self.any_collection(), self.random.choice([Role.EDITOR, Role.READER])
        member = self.random.choice([*self.world.people, EVERYONE])
        async with self.database.writing(person) as db:
            await share(db, person, collection_id, member, role, NOW)
        owner, members = self.world.collections[collection_id]
        assert owner == person
        members |= {member: Role.READER if member == EVERYONE else role} if member != person else {}

    async def take_out(self, person: OwnerId) -> None:
        collection_id, member = self.any_collection(), self.random.choice([*self.world.people, EVERYONE])
        async with self.database.writing(person) as db:
            await unshare(db, person, collection_id, member)
        owner, members = self.world.collections[collection_id]
        assert person in (owner, member)
        members.pop(member, None)

    async def delete(self, person: OwnerId) -> None:
        document_id = self.random.choice([*self.world.documents, new_document_id()])
        async with self.database.writing(person) as db:
            await delete_document(db, person, document_id, NOW)
        assert self.world.writes(person, document_id)
        del self.world.documents[document_id]

    async def delete_all(self, person: OwnerId) -> None:
        collection_id = self.any_collection()
        async with self.database.writing(person) as db:
            await delete_collection(db, person, collection_id, NOW)
        assert self.world.collections[collection_id][0] == person
        self.world.forget(collection_id)

    async def end_account(self, person: OwnerId) -> None:
        async with self.database.writing(EVERYBODY) as db:
            await delete_documents_of(db, person, NOW)
        for collection_id in [key for key, (owner, _) in self.world.collections.items() if owner == person]:
            self.world.forget(collection_id)
        for _, members in self.world.collections.values():
            members.pop(person, None)
        kept = {key: value for key, value in self.world.documents.items() if value != (person, None)}
        self.world.documents = kept

    async def check(self, person: OwnerId) -> None:
        readable = self.world.reads(person)
        open_to = {key for key in self.world.collections if self.world.role(person, key)}
        async with self.database.reading(person) as db:
            listed = (await list_documents(db, person, 200, None, Shelf())).items
            assert {document.id for document in listed} == readable
            everything = [(document_id, 1) for document_id in self.world.documents]
            assert {document_id for document_id, _ in await find_chunks(db, person, everything)} == readable
            assert {each.id for each in (await list_collections(db, person, 200, None)).items} == open_to
            tenants = await list_tenants(db, person)
            assert sorted(tenants) == sorted([f"u:{person}", *(f"c:{key}" for key in open_to)])
            if not self.database.is_sqlite:
                assert set((await db.execute(select(documents.c.id))).scalars()) == readable
                assert set((await db.execute(select(document_chunks.c.document_id))).scalars()) == readable
        for document_id in self.world.documents:
            refusal = ReadOnly if document_id in readable else NotFound
            allowed = self.world.writes(person, document_id)
            async with self.database.writing(person) as db:
                with nullcontext() if allowed else pytest.raises(refusal):
                    await get_writable_document(db, person, document_id)


@pytest.mark.parametrize("seed", [1, 2])
async def test_nobody_ever_finds_what_they_may_not_read(database: Database, seed: int) -> None:
    story = Story(database, Random(seed))  # noqa: S311 - chosen so that it can be told again
    for n in range(STEPS):
        await story.step()
        if n % 5 == 4:
            for person in story.world.people:
                await story.check(person)
