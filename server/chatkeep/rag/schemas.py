"""What requests may say, and what answers look like. Unknown fields are refused: nobody sets what they may not."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from chatkeep.index.port import Hit
from chatkeep.rag.records import EVERYONE, Document, Member, Role, StoredChunk

_Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$")
]
_Description = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2_000, pattern=r"^[^\x00]*$")]
_Query = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000, pattern=r"^[^\x00]*$")]
_Email = Annotated[str, Field(min_length=3, max_length=320)]
# On the wire: a member that is everyone has no id.
EVERYONE_NAME = "everyone"


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewCollection(_Request):
    name: _Name
    description: _Description = ""


class CollectionPatch(_Request):
    name: _Name | None = None
    description: _Description | None = None


class Invitation(_Request):
    email: _Email
    role: Literal["editor", "reader"] = "reader"


class MemberRole(_Request):
    role: Literal["editor", "reader"] = "reader"


class CollectionOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    description: str
    role: Role
    created_at: datetime
    updated_at: datetime


class MemberOut(BaseModel):
    user_id: str
    email: str | None
    role: Role
    created_at: datetime

    @classmethod
    def of(cls, member: Member, email: str | None) -> Self:
        """`everyone` has no address, nor has who is just being deleted."""
        user_id = EVERYONE_NAME if member.member == EVERYONE else member.member
        return cls(user_id=user_id, email=email, role=member.role, created_at=member.created_at)


class DocumentOut(BaseModel):
    id: str
    filename: str
    title: str | None
    collection_id: str | None
    media_type: str | None
    size: int
    status: str
    stage: str | None
    done: int
    total: int
    pages: int | None
    chunks: int
    notices: list[str]
    error: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, document: Document) -> Self:
        return cls(**{name: getattr(document, name) for name in cls.model_fields})


class DocumentsOut(BaseModel):
    items: list[DocumentOut]


class StorageOut(BaseModel):
    used_bytes: int
    limit_bytes: int


class ChunkOut(BaseModel):
    document_id: str
    n: int
    text: str
    page: int | None
    headings: list[str]
    title: str | None
    filename: str

    @classmethod
    def of(cls, chunk: StoredChunk) -> Self:
        return cls(**{name: getattr(chunk, name) for name in cls.model_fields})


class SearchRequest(_Request):
    query: _Query
    collection_ids: list[UUID] | None = Field(
        None, min_length=1, max_length=32, description="Search in these collections, and nowhere else."
    )
    limit: int = Field(10, ge=1, le=50)


class FoundOut(BaseModel):
    """A passage. `score` is the sum of reciprocal ranks; `ranks` say at which place each way found it, from 1."""

    document_id: str
    n: int
    text: str
    page: int | None
    headings: list[str]
    title: str | None
    filename: str
    score: float
    ranks: dict[str, int]

    @classmethod
    def of(cls, hit: Hit, chunk: StoredChunk) -> Self:
        return cls(**ChunkOut.of(chunk).model_dump(), score=hit.score, ranks=dict(hit.ranks))


class FoundPassages(BaseModel):
    items: list[FoundOut]
