"""Answers from documents: what is looked for, how the prompt and the answer change by what was found."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from chatkeep.chat.errors import NoDocuments
from chatkeep.chat.prompt import passage_tokens
from chatkeep.chat.records import Generation
from chatkeep.db import Db
from chatkeep.embedding.port import Embedder
from chatkeep.identity import OwnerId
from chatkeep.llm.catalogue import ModelCatalogue
from chatkeep.llm.model import Chunk, ModelInfo, PromptMessage
from chatkeep.rag import quotes
from chatkeep.rag.citations import CitationFilter
from chatkeep.rag.passages import Passage, with_passages
from chatkeep.rag.question import question_to_search
from chatkeep.rag.retrieve import Retriever, Wanted, tenants_for
from chatkeep.rag.trace import Trace

QUOTING = (ModelInfo(quotes.MODEL, builtin=True),)
"""The models that answer from documents alone."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What an answer is written from. `prompt` has it; `checked` looks at what is made of it."""

    question: str
    prompt: Sequence[PromptMessage]
    passages: Sequence[Passage]
    trace: Trace
    checked: CitationFilter

    @property
    def sources(self) -> list[dict[str, Any]]:
        """For who follows the answer."""
        return [dict(passage.source) for passage in self.passages]

    @property
    def citable(self) -> list[dict[str, Any]]:
        """For the message, while it is being written."""
        return [dict(passage.citation) for passage in self.passages]

    @property
    def cited(self) -> list[dict[str, Any]]:
        """For the message, once it is written: of its passages those that it cites."""
        return [dict(passage.citation) for passage in self.passages if passage.n in self.checked.cited]

    @property
    def told(self) -> dict[str, Any]:
        """The trace, as it is stored."""
        return asdict(self.trace)


@dataclass(frozen=True, slots=True)
class DrawingOn:
    """The chats' side of documents. Without `retriever` there are none."""

    catalogue: ModelCatalogue
    retriever: Retriever | None = None
    embedder: Embedder | None = None

    async def check(self, db: Db, owner: OwnerId, collection_ids: Sequence[str] | None) -> None:
        """Before a message is accepted.

        Raises:
            NoDocuments: this server has none.
            UnknownCollection: one of the collections is not there, or not open to the owner.
        """
        if self.retriever is None:
            raise NoDocuments
        if collection_ids is not None:
            await tenants_for(db, owner, collection_ids)

    def default_model(self, default: str | None) -> str | None:
        """What answers from documents where nobody says: not the small built-in model, which makes things up."""
        known = self.catalogue.find_known(default)
        too_small = known is not None and known.builtin
        return quotes.MODEL if too_small or (default is None and self.catalogue.has_no_model) else default

    async def find(
        self, owner: OwnerId, generation: Generation, prompt: Sequence[PromptMessage], context_tokens: int
    ) -> Grounds:
        """What there is on the last question of the prompt.

        Raises:
            NoDocuments, UnknownCollection, SearchUnavailable
        """
        if self.retriever is None or generation.documents is None:
            raise NoDocuments
        question = question_to_search(prompt)
        wanted = Wanted(question, generation.documents["collection_ids"])
        found = await self.retriever.retrieve(owner, wanted, passage_tokens(context_tokens))
        asked = replace(prompt[-1], content=with_passages(prompt[-1].content, found.passages))
        citations = CitationFilter(len(found.passages))
        return Grounds(question, [*prompt[:-1], asked], found.passages, found.trace, citations)

    def quote(self, grounds: Grounds | None) -> AsyncGenerator[Chunk, None]:
        """The answer of the model that only quotes.

        Raises:
            NoDocuments: it was asked without any.
        """
        if grounds is None or self.embedder is None:
            raise NoDocuments
        return quotes.quote(grounds.question, grounds.passages, self.embedder)
