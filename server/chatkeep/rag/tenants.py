"""Whose passages may be searched: tenants of the index are minted here alone, from what SQL says at that moment."""

from collections.abc import Iterable, Sequence

from sqlalchemy import select

from chatkeep.db import Db
from chatkeep.errors import NotFound
from chatkeep.identity import OwnerId
from chatkeep.index.port import TenantId
from chatkeep.rag.access import readable_collections
from chatkeep.rag.records import Document
from chatkeep.rag.tables import collections


async def list_tenants(db: Db, owner: OwnerId, collection_ids: Iterable[str] | None = None) -> Sequence[TenantId]:
    """What `owner` may search in: their own documents and all collections open to them; or of these only those named.

    Raises:
        NotFound: one of `collection_ids` is not there, or not open to the owner.
    """
    readable = collections.c.id.in_(readable_collections(owner))
    if collection_ids is None:
        found = (await db.execute(select(collections.c.id).where(readable))).scalars().all()
        return [personal_tenant(owner), *map(collection_tenant, found)]
    wanted = sorted(set(collection_ids))
    found = (await db.execute(select(collections.c.id).where(readable, collections.c.id.in_(wanted)))).scalars().all()
    if len(found) != len(wanted):
        raise NotFound
    return [collection_tenant(collection_id) for collection_id in wanted]


def personal_tenant(owner: OwnerId) -> TenantId:
    """Of documents that are in no collection. For whoever writes or deletes; to search, ask `list_tenants`."""
    return TenantId(f"u:{owner}")


def collection_tenant(collection_id: str) -> TenantId:
    """Of a collection, which is for the caller to have looked up. To search, ask `list_tenants`."""
    return TenantId(f"c:{collection_id}")


def tenant_of(document: Document) -> TenantId:
    """Where its points are."""
    if document.collection_id is not None:
        return collection_tenant(document.collection_id)
    return personal_tenant(OwnerId(document.owner))
