"""What travels to OpenAI's clients; requests are read in `requests.py`, since most of them is not ours to know."""

from typing import Literal, Self

from pydantic import BaseModel

from chatkeep.llm.model import ModelInfo


class ModelCard(BaseModel):
    """A model, as GET /v1/models has it. When it was made is not known here: `created` is 0."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str

    @classmethod
    def of(cls, info: ModelInfo) -> Self:
        """As it travels."""
        return cls(id=info.id, owned_by=info.provider or "chatkeep")


class ModelCards(BaseModel):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[ModelCard]
