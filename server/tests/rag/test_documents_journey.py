"""From a file to a passage that is found, and back to nothing."""

from pathlib import Path
from typing import Any

from fastapi import FastAPI

from chatkeep.identity import OwnerId
from chatkeep.index.port import Query
from chatkeep.rag.dependencies import DocumentServices
from chatkeep.rag.documents import find_chunks
from chatkeep.rag.tenants import list_tenants

PLAN = ("plan.md", b"# Harvest\n\nThe turnips are dug up in October.\n")


async def found(app: FastAPI, person: Any, text: str) -> list[str]:
    """As whoever searches does: tenants from SQL, hits from the index, texts from SQL again."""
    services: DocumentServices = app.state.documents
    owner = OwnerId(person.user.user.id)
    async with services.database.reading(owner) as db:
        tenants = await list_tenants(db, owner)
        hits = await services.searched()[0].search(tenants, Query(text, None), 10)
        chunks = await find_chunks(db, owner, [(hit.document_id, hit.n) for hit in hits])
    return [chunk.text for chunk in chunks.values()]


async def stored(person: Any) -> int:
    room = (await person.http.get("/documents/storage")).json()
    assert room["limit_bytes"] > 0
    return int(room["used_bytes"])


async def test_a_file_is_uploaded_found_and_gone(app: FastAPI, ada: Any, ben: Any, tmp_path: Path) -> None:
    (document,) = await ada.uploaded(PLAN)
    assert document["status"] == "queued"
    ready = await ada.until_ended(document["id"])
    assert (ready["status"], ready["chunks"], ready["done"], ready["total"], ready["error"]) == ("ready", 1, 1, 1, None)
    assert await found(app, ada, "turnips") == ["Harvest\n\nThe turnips are dug up in October."]
    assert await found(app, ben, "turnips") == []
    chunk = (await ada.http.get(f"/documents/{document['id']}/chunks/1")).json()
    assert (chunk["headings"], chunk["filename"]) == (["Harvest"], "plan.md")
    original = await ada.http.get(f"/documents/{document['id']}/content")
    assert original.content == PLAN[1]
    assert await stored(ada) > len(PLAN[1])
    assert await stored(ben) == 0
    assert (await ada.http.delete(f"/documents/{document['id']}")).status_code == 204
    assert await found(app, ada, "turnips") == []
    assert await stored(ada) == 0
    services: DocumentServices = app.state.documents
    await services.eraser.work_off()
    assert [file async for file in services.searched()[0].list_documents()] == []
    assert list(services.blobs.list_files()) == []
