"""Pages: `{"items": [...], "next_cursor": ...}`. A cursor is opaque to clients: the sort key of the last item seen."""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Generic, Self, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field

from chatkeep.errors import ChatkeepError

Item = TypeVar("Item")
PageLimit = Annotated[int, Field(ge=1, le=200, description="How many items at most.")]


class CursorInvalid(ChatkeepError):
    """The cursor was not one of ours."""

    status = 422
    code = "cursor_invalid"
    title = "The cursor is not valid"

    def __init__(self) -> None:
        super().__init__("Use the next_cursor of the page before, unchanged, or leave it out to begin anew.")


class Page(BaseModel, Generic[Item]):
    """One page of a list; `next_cursor` is null on the last."""

    items: list[Item]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last item seen: its place in time, and its id for those that share the moment."""

    moment: datetime
    id: str

    def encode(self) -> str:
        """As clients get it."""
        return base64.urlsafe_b64encode(f"{self.moment.isoformat()}|{self.id}".encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read what `encode` wrote.

        Raises:
            CursorInvalid: it is anything else.
        """
        try:
            moment, _, id_ = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition("|")
            parsed = datetime.fromisoformat(moment)
            if parsed.tzinfo is None:
                raise ValueError(moment)
            # In UTC, as the databases keep it: at the ends of the calendar an offset leads beyond them.
            return cls(parsed.astimezone(UTC), str(UUID(id_)))
        except (binascii.Error, OverflowError, UnicodeError, ValueError):
            raise CursorInvalid from None
