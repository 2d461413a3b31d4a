"""/search: passages by their words and their meaning, out of the documents that are open to whoever asks."""

from fastapi import APIRouter, Depends

from chatkeep.identity import DocumentsOwner, PolicyFirst, throttled
from chatkeep.rag.dependencies import Services
from chatkeep.rag.retrieve import Wanted
from chatkeep.rag.schemas import FoundOut, FoundPassages, SearchRequest

router = APIRouter(route_class=PolicyFirst, tags=["documents"])


@router.post("/search", dependencies=[Depends(throttled("search"))])
async def search(owner: DocumentsOwner, body: SearchRequest, services: Services) -> FoundPassages:
    """The passages that fit best, best first: of all documents that are open to you, or of the collections named."""
    ids = None if body.collection_ids is None else [str(collection_id) for collection_id in body.collection_ids]
    found, _ = await services.retriever.search(owner, Wanted(body.query, ids), body.limit)
    return FoundPassages(items=[FoundOut.of(hit, chunk) for hit, chunk in found])
