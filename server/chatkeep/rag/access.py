"""Who may see and write what, as conditions of SQL: the one place where that is decided.

One's own documents, and those of the collections that one owns or is a member of; whoever is no member any more sees
none of them, be it what they uploaded themselves.
"""

from sqlalchemy import ColumnElement, CompoundSelect, and_, or_, select

from chatkeep.identity import OwnerId
from chatkeep.rag.records import EVERYONE, Role
from chatkeep.rag.tables import collection_members, collections, documents


def readable_collections(owner: OwnerId) -> CompoundSelect[tuple[str]]:
    """The ids of those whose documents `owner` may see; perhaps more than once."""
    return _collections(owner)


def writable_collections(owner: OwnerId) -> CompoundSelect[tuple[str]]:
    """The ids of those that `owner` may add documents to, and delete from."""
    return _collections(owner, collection_members.c.role == Role.EDITOR)


def may_read(owner: OwnerId) -> ColumnElement[bool]:
    """Of `documents`."""
    return or_(_personal(owner), documents.c.collection_id.in_(readable_collections(owner)))


def may_write(owner: OwnerId) -> ColumnElement[bool]:
    """Of `documents`."""
    return or_(_personal(owner), documents.c.collection_id.in_(writable_collections(owner)))


def _personal(owner: OwnerId) -> ColumnElement[bool]:
    return and_(documents.c.collection_id.is_(None), documents.c.owner == owner)


def _collections(owner: OwnerId, *only: ColumnElement[bool]) -> CompoundSelect[tuple[str]]:
    own = select(collections.c.id).where(collections.c.owner == owner)
    shared = select(collection_members.c.collection_id)
    return own.union_all(shared.where(collection_members.c.member.in_((owner, EVERYONE)), *only))
