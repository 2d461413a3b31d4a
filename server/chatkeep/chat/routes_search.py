"""/chat/search: where something was said."""

from typing import Annotated

from fastapi import APIRouter, Query

from chatkeep.chat.dependencies import CursorText, ReadingDb
from chatkeep.chat.schemas import HitOut, Search
from chatkeep.chat.search import search_messages
from chatkeep.identity import ChatOwner, PolicyFirst
from chatkeep.paging import Cursor, Page

router = APIRouter(prefix="/chat", route_class=PolicyFirst, tags=["chat"])


@router.get("/search")
async def search(
    owner: ChatOwner,
    db: ReadingDb,
    q: Annotated[Search, Query(description="Every word of it; the last one may be the first part of a word.")],
    limit: Annotated[int, Query(ge=1, le=50)] = 20,
    cursor: CursorText = None,
) -> Page[HitOut]:
    """Your messages with these words, the newest first."""
    page = await search_messages(db, owner, q, limit, Cursor.decode(cursor) if cursor else None)
    return Page(items=[HitOut.of(hit) for hit in page.items], next_cursor=page.next_cursor)
