"""What travels: requests are checked here and nowhere else. Unknown fields are refused: a typo is not ignored."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from chatkeep.chat.document_choice import DocumentChoice
from chatkeep.chat.records import Generation, State
from chatkeep.chat.search import Hit
from chatkeep.llm.model import ModelInfo

MAX_MESSAGE_CHARACTERS = 200_000
UNTITLED = "New chat"
# More than any request has: a body of a hundred thousand unknown fields is one complaint, not as many.
_MAX_FIELDS = 32


def _storable(text: str) -> str:
    """No database takes NUL in a text, and UTF-8 has no lone surrogate; JSON can spell both."""
    if "\0" in text:
        raise ValueError("must not contain the character U+0000")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must not contain half of a surrogate pair")
    return text


def _some_text(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


PlainText = Annotated[str, AfterValidator(_storable)]
Title = Annotated[PlainText, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
ModelName = Annotated[PlainText, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
MessageText = Annotated[PlainText, StringConstraints(max_length=MAX_MESSAGE_CHARACTERS), AfterValidator(_some_text)]
MAX_COLLECTIONS = 32
CollectionIds = Annotated[
    list[UUID],
    Field(min_length=1, max_length=MAX_COLLECTIONS, description="Search in these collections, and nowhere else."),
]
Search = Annotated[PlainText, StringConstraints(max_length=200)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _few_fields(cls, value: Any) -> Any:
        if isinstance(value, dict) and len(value) > _MAX_FIELDS:
            raise ValueError(f"must not have more than {_MAX_FIELDS} fields")
        return value


class _DrawsOnDocuments(_Request):
    use_documents: bool | None = Field(None, description="null: yes with collections, or else as the chat says.")
    collection_ids: CollectionIds | None = None

    @property
    def documents(self) -> DocumentChoice:
        """As the journey takes it."""
        ids = None if self.collection_ids is None else tuple(map(str, self.collection_ids))
        return DocumentChoice(self.use_documents, ids)


class NewSession(_DrawsOnDocuments):
    """Begin a conversation; without a title it takes one from its first message. A temporary one goes by itself, 24
    hours after what was last said in it.
    """

    title: Title | None = None
    model: ModelName | None = None
    temporary: bool = False


class SessionPatch(_DrawsOnDocuments):
    """Rename it, choose another model or documents for what follows (null takes a choice back), pin it, put it into the
    archive.
    """

    title: Title | None = None
    model: ModelName | None = None
    pinned: bool = False
    archived: bool = False


class SendRequest(_DrawsOnDocuments):
    """A message. It follows the branch on show; `parent_id`, an answer, begins a new branch there, and `root` one at
    the very beginning. To edit a message is to send another with the same parent.
    """

    session_id: UUID
    message: MessageText
    parent_id: UUID | None = None
    root: bool = False
    model: ModelName | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.root and self.parent_id is not None:
            raise ValueError("root and parent_id exclude each other")
        return self


class RegenerateRequest(_DrawsOnDocuments):
    """Another answer to the same question, perhaps by another model."""

    model: ModelName | None = None


class LeafRequest(_Request):
    """Show the branch through this message."""

    message_id: UUID


class _FromRecord(BaseModel):
    """Made by `model_validate` from the record of the same fields."""

    model_config = ConfigDict(from_attributes=True)


class SessionOut(_FromRecord):
    """A conversation."""

    id: str
    title: Annotated[str, BeforeValidator(lambda title: title or UNTITLED)]
    titled_by: Literal["user", "model"] | None = Field(description="null: the title is the first words of a message.")
    model: str | None
    created_at: datetime
    updated_at: datetime
    leaf_id: str | None = Field(description="The end of the branch on show; null: the newest message of all.")
    pinned_at: datetime | None
    archived_at: datetime | None
    deleted_at: datetime | None = Field(description="Since when it is in the bin, where it stays for 30 days.")
    expires_at: datetime | None = Field(description="When a temporary chat goes.")
    use_documents: bool | None = Field(description="null: yes if there are collections.")
    collection_ids: list[str] | None = Field(description="null: whatever is open to you.")


class EmptiedOut(BaseModel):
    """What has gone out of the bin."""

    deleted: int
    more: bool


class SiblingsOut(_FromRecord):
    """Where a message stands among those with the same parent; `index` counts from 1."""

    index: int
    count: int
    previous_id: str | None
    next_id: str | None


class MessageOut(_FromRecord):
    """A turn. While `status` is queued or running, `generation_id` names the events to follow."""

    id: str
    parent_id: str | None
    role: str
    content: str
    status: State
    model: str | None
    citations: list[dict[str, Any]]
    usage: dict[str, int | float] | None
    error: dict[str, Any] | None
    created_at: datetime
    reasoning: str | None
    generation_id: str | None
    siblings: SiblingsOut


class HitOut(BaseModel):
    """A message in which all words were found. The snippet is plain text, the highlights are offsets in characters."""

    session_id: str
    message_id: str
    title: str
    role: str
    snippet: str
    highlights: list[tuple[int, int]]
    created_at: datetime

    @classmethod
    def of(cls, hit: Hit) -> Self:
        """As it travels."""
        return cls(
            session_id=hit.session_id,
            message_id=hit.message_id,
            title=hit.title or UNTITLED,
            role=hit.role,
            snippet=hit.snippet.text,
            highlights=hit.snippet.highlights,
            created_at=hit.created_at,
        )


class SkippedOut(_FromRecord):
    """A chat of a file that was not taken; `index` counts from 0."""

    index: int
    title: str | None
    reason: str


class ImportedOut(_FromRecord):
    """What came of a file; of what was skipped, the first 200."""

    sessions: int
    messages: int
    skipped: list[SkippedOut]


class Accepted(BaseModel):
    """The answer will be written whoever watches: follow `stream`."""

    generation_id: str
    user_message_id: str
    message_id: str
    stream: str = Field(description="Path of the generation's events.")

    @classmethod
    def of(cls, generation: Generation) -> Self:
        """As it travels."""
        return cls(
            generation_id=generation.id,
            user_message_id=generation.user_message_id,
            message_id=generation.message_id,
            stream=f"/chat/generations/{generation.id}/events",
        )


class Price(BaseModel):
    """What a million tokens cost, in the currency of the administrator's price table."""

    prompt: float | None
    completion: float | None


class ModelOut(BaseModel):
    """A model on offer; `progress` runs from 0 to 1 while it is loading. One that is not `healthy` has just failed."""

    id: str
    default: bool
    builtin: bool
    ready: bool
    progress: float
    provider: str | None
    context_tokens: int | None
    price: Price | None
    healthy: bool

    @classmethod
    def of(cls, info: ModelInfo, *, default: bool) -> Self:
        """As it travels."""
        priced = info.prompt_price is not None or info.completion_price is not None
        return cls(
            id=info.id,
            default=default,
            builtin=info.builtin,
            ready=info.ready,
            progress=info.progress,
            provider=info.provider,
            context_tokens=info.context_tokens,
            price=Price(prompt=info.prompt_price, completion=info.completion_price) if priced else None,
            healthy=info.healthy,
        )


class ModelsOut(BaseModel):
    """The offer, or in `error` why it cannot be told at the moment."""

    items: list[ModelOut]
    error: dict[str, str] | None


class TracedHitOut(BaseModel):
    """A chunk of a document that was found; `ranks` say at which place by each way, from 1."""

    document_id: str
    chunk: int
    score: float
    ranks: dict[str, int]
    shown_as: int | None = Field(description="What it is cited by; null: it was left out.")
    left_out: str | None = Field(description="Why, if it was: unrelated, duplicate, over_budget or beyond_limit.")


class TraceOut(BaseModel):
    """How an answer came by its passages."""

    searched_for: str
    meaning: str = Field(
        description="searched; or why by words alone: language_unknown, embedder_failed or embedder_slow."
    )
    tenants: int = Field(description="How many places were searched: your own documents, and collections.")
    milliseconds: dict[str, float] = Field(description="By step: rights, embedding, index, texts and judging.")
    hits: list[TracedHitOut]
    left_out: dict[str, int] = Field(description="How many, by reason; not_readable: gone, or not yours any more.")
