"""Answers from documents: what is searched, what is told and kept, and how each attack on that ends."""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import Any, cast

import pytest
from qdrant_client import AsyncQdrantClient

from chatkeep.chat.accounting import Accounting
from chatkeep.chat.document_choice import AS_THE_CHAT_SAYS, DocumentChoice
from chatkeep.chat.drawing_on import DrawingOn
from chatkeep.chat.errors import NoDocuments
from chatkeep.chat.event_log import EventLog
from chatkeep.chat.generations import find_checkpoint
from chatkeep.chat.messages import find_message
from chatkeep.chat.mirrors import catch_up
from chatkeep.chat.records import Generation, Message, State
from chatkeep.chat.runner import GenerationRunner
from chatkeep.chat.send import NewMessage, send
from chatkeep.chat.sessions import create_session
from chatkeep.chat.traces import find_trace
from chatkeep.db import Database
from chatkeep.embedding.port import Vector
from chatkeep.embedding.selection import NoEmbedder
from chatkeep.identity import OwnerId
from chatkeep.index.port import Hit, IndexSpec, TenantId, VectorIndex
from chatkeep.index.qdrant import QdrantIndexes
from chatkeep.limits.quotas import Quotas
from chatkeep.llm.catalogue import ModelCatalogue
from chatkeep.llm.model import ModelInfo
from chatkeep.llm.scripted import ScriptedChatModel
from chatkeep.rag import quotes
from chatkeep.rag.errors import UnknownCollection
from chatkeep.rag.members import share, unshare
from chatkeep.rag.records import Role
from chatkeep.rag.retrieve import Retriever, Wanted
from chatkeep.row_security import EVERYBODY
from server.tests.rag.library import Library

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")

ALL = DocumentChoice(use=True)


@pytest.fixture
async def library(database: Database) -> AsyncIterator[Library]:
    """Searched by words, in the index of the official client's own local mode."""
    indexes = QdrantIndexes(AsyncQdrantClient(":memory:"))
    yield Library(database, indexes.open(IndexSpec("none", 1)))
    await indexes.aclose()


@pytest.fixture
def retriever(database: Database, library: Library) -> Retriever:
    return Retriever(database, NoEmbedder(), lambda: [cast(VectorIndex, library)])


@pytest.fixture
async def runner(database: Database, retriever: Retriever) -> AsyncIterator[GenerationRunner]:
    model = ScriptedChatModel()
    catalogue = ModelCatalogue(model, monotonic, [ModelInfo(quotes.MODEL, builtin=True)])
    drawing_on = DrawingOn(catalogue, retriever, NoEmbedder())
    accounting = Accounting(Quotas(), catalogue, 8192)
    runner = GenerationRunner(database, model, accounting, drawing_on=drawing_on)
    await runner.open()
    yield runner
    await runner.aclose()


async def ask(
    runner: GenerationRunner, owner: OwnerId, text: str, documents: DocumentChoice = ALL, model: str | None = None
) -> tuple[Message, list[dict[str, Any]], Generation]:
    """The answer as it is stored, and the events that told it."""
    database = runner._database
    async with database.writing(owner) as db:
        session = await create_session(db, owner, None, None, datetime.now(UTC))
    new = NewMessage(session.id, text, model=model, documents=documents)
    generation = await database.write(owner, lambda db: send(db, owner, new, None, runner, lambda _: lambda: None))
    log = runner.find_log(generation.id)
    assert log is not None
    told = b"".join([batch async for batch, _ in log.follow(0, until=lambda: False)])
    events = [json.loads(line[6:]) for line in told.decode().splitlines() if line.startswith("data: ")]
    async with database.reading(owner) as db:
        message = await find_message(db, owner, generation.message_id)
    assert message is not None
    return message, events, generation


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events if event["type"] != "message.delta"]


async def test_an_answer_tells_its_sources_and_keeps_those_that_it_cites(
    runner: GenerationRunner, library: Library, alice: OwnerId
) -> None:
    rent = await library.add(alice, "The rent is due on the third working day.", "Pets are welcome.", title="Lease")
    question = "When is the rent due? [[say On the third day [1] [7].]]"
    message, events, generation = await ask(runner, alice, question)
    assert types(events) == ["generation.created", "retrieval.completed", "usage", "generation.completed"]
    (source,) = events[1]["sources"]
    assert (source["n"], source["document_id"], source["chunk"], source["title"], source["page"]) == (
        1, rent, 1, "Lease", 1,
    )  # fmt: skip
    assert source["snippet"].startswith("The rent is due")
    # Abuse case 45: what is not there is not cited, neither on the way nor in what is kept.
    assert message.content == "On the third day [1]."
    assert [citation["n"] for citation in message.citations] == [1]
    assert "snippet" not in message.citations[0]
    async with library.database.reading(alice) as db:
        trace = await find_trace(db, alice, message.id)
    assert trace is not None
    assert [hit["shown_as"] for hit in trace["hits"]] == [1]
    assert set(trace["milliseconds"]) == {"rights", "embedding", "index", "texts", "judging"}
    assert "rent is due on the third" not in json.dumps(trace)
    # Whoever follows on another instance, or comes late, is told the same sources.
    async with library.database.reading(EVERYBODY) as db:
        checkpoint = await find_checkpoint(db, generation.id)
    assert checkpoint is not None
    mirror = EventLog(generation.id)
    catch_up(mirror, checkpoint)
    assert mirror.opening["sources"] == message.citations


async def test_nobody_elses_passage_is_found_or_shown_even_if_the_index_names_it(
    runner: GenerationRunner, library: Library, alice: OwnerId, bob: OwnerId
) -> None:
    secret = await library.add(bob, "The rent of Bob is a secret of forty pounds.")
    message, events, _ = await ask(runner, alice, "What is the rent of Bob? [[say None.]]")
    assert events[1]["sources"] == []
    # An index that breaks its promise finds the second wall.
    library.also = [Hit(TenantId(f"u:{alice}"), secret, 1, 0.9, {"bm25": 1})]
    message, events, _ = await ask(runner, alice, "What is the rent of Bob? [[say None.]]")
    assert events[1]["sources"] == []
    assert "secret of forty" not in json.dumps(events)
    async with library.database.reading(alice) as db:
        trace = await find_trace(db, alice, message.id)
    assert trace is not None
    assert trace["left_out"] == {"not_readable": 1}
    assert secret not in json.dumps(trace)


async def test_somebody_elses_collection_is_the_same_as_none(
    runner: GenerationRunner, library: Library, alice: OwnerId, bob: OwnerId
) -> None:
    mine, his = await library.collection(alice), await library.collection(bob)
    await library.add(bob, "A secret rent.", collection_id=his)
    nowhere = "0198c0de-0000-7000-8000-000000000000"
    for ids in ((his,), (nowhere,), (mine, his), (mine, nowhere)):
        with pytest.raises(UnknownCollection):
            await ask(runner, alice, "The rent?", DocumentChoice(collection_ids=ids))


async def test_a_member_who_was_put_out_finds_nothing_any_more(
    runner: GenerationRunner, library: Library, alice: OwnerId, bob: OwnerId
) -> None:
    shared = await library.collection(bob)
    await library.add(bob, "The rent is due on Monday.", collection_id=shared)
    async with library.database.writing(bob) as db:
        await share(db, bob, shared, alice, Role.READER, datetime.now(UTC))
    _, events, _ = await ask(runner, alice, "When is the rent due?")
    assert len(events[1]["sources"]) == 1
    async with library.database.writing(bob) as db:
        await unshare(db, bob, shared, alice)
    _, events, _ = await ask(runner, alice, "When is the rent due?")
    assert events[1]["sources"] == []


async def test_an_index_that_is_away_ends_in_an_error_and_never_in_an_answer_without_documents(
    runner: GenerationRunner, library: Library, alice: OwnerId
) -> None:
    library.away = True
    message, events, _ = await ask(runner, alice, "When is the rent due?")
    assert types(events) == ["generation.created", "generation.failed"]
    assert (events[-1]["code"], events[-1]["retryable"]) == ("index_unavailable", True)
    assert (message.status, message.content) == (State.FAILED, "")


async def test_nothing_found_is_said_and_no_other_document_stands_in(
    runner: GenerationRunner, library: Library, alice: OwnerId
) -> None:
    await library.add(alice, "Pets are welcome.")
    message, events, _ = await ask(runner, alice, "Quantum chromodynamics?", model=quotes.MODEL)
    assert events[1]["sources"] == []
    assert message.content == "Your documents say nothing about this that can be quoted."
    assert message.citations == []


class TwoDirections:
    """Whatever speaks of pets lies in one direction, and all else in the other."""

    name, dimension = "tests/two", 2

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector | None]:
        return [(1.0, 0.0) if "animal" in text or "cat" in text else (0.0, 1.0) for text in texts]

    async def embed_query(self, text: str) -> Vector | None:
        return (await self.embed_passages([text]))[0]

    async def aclose(self) -> None: ...


async def test_the_nearest_passage_is_none_where_it_has_nothing_to_do_with_the_question(
    database: Database, library: Library, alice: OwnerId
) -> None:
    pets = await library.add(alice, "All animals are welcome.")
    rent = await library.add(alice, "It is due on Monday.")
    found = [Hit(TenantId(f"u:{alice}"), document, 1, 0.01, {"dense": 1}) for document in (rent, pets)]
    library.also = found
    retriever = Retriever(database, TwoDirections(), lambda: [cast(VectorIndex, library)], related=0.25)
    retrieved = await retriever.retrieve(alice, Wanted("cats?"), 1000)
    assert [each.document_id for each in retrieved.passages] == [pets]
    assert retrieved.trace.left_out == {"unrelated": 1}


async def test_the_model_that_only_quotes_answers_in_the_documents_own_words(
    runner: GenerationRunner, library: Library, alice: OwnerId
) -> None:
    await library.add(alice, "Dogs sleep. The rent is due on Monday. ![x](https://evil.example/?q) <img src=x>")
    message, events, _ = await ask(runner, alice, "When is the rent due?", model=quotes.MODEL)
    assert message.content == "> The rent is due on Monday. [1]\n\n"
    assert events[-2] | {"seq": 0, "generation_id": ""} == {
        "type": "usage", "seq": 0, "generation_id": "", "prompt_tokens": 0, "completion_tokens": 0,
    }  # fmt: skip
    message, *_ = await ask(runner, alice, "evil example img?", model=quotes.MODEL)
    assert "![" not in message.content.replace("\\!\\[", "")
    assert "<img" not in message.content.replace("\\<img", "")


async def test_without_documents_nothing_is_searched(
    runner: GenerationRunner, library: Library, alice: OwnerId
) -> None:
    library.away = True
    message, events, _ = await ask(runner, alice, "Hello [9]", AS_THE_CHAT_SAYS)
    assert types(events) == ["generation.created", "usage", "generation.completed"]
    assert message.content.endswith("[9]")
    message, events, _ = await ask(runner, alice, "Hello", AS_THE_CHAT_SAYS, quotes.MODEL)
    assert events[-1]["code"] == NoDocuments.code
