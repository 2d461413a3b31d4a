"""Whose passages a call is about: the one filter of every query, count and deletion."""

import uuid

import msgspec

from chatkeep.index.port import TenantId

_NAMESPACE = uuid.UUID("6c1d3c1e-6f0b-5b0c-9d53-4a1f1f0a7f21")


class Scope(msgspec.Struct, frozen=True):
    """These tenants, and of them one document or all. It cannot exist without a tenant, also not when it is decoded:
    an empty filter would match everything.
    """

    tenants: tuple[TenantId, ...]
    document_id: str | None = None

    def __post_init__(self) -> None:
        if not self.tenants or not all(self.tenants):
            raise ValueError("a scope needs tenants, each with a name")


def scope(first: TenantId, /, *others: TenantId, document_id: str | None = None) -> Scope:
    """The only way to ask an index for anything that belongs to somebody."""
    return Scope((first, *others), document_id)


def point_id(tenant: TenantId, document_id: str, n: int) -> str:
    """Names a passage for ever. The tenant is part of it: a document's id alone would let one tenant replace the
    passages of another by putting some under the same id.
    """
    # JSON keeps the parts apart, whatever characters they hold.
    return str(uuid.uuid5(_NAMESPACE, msgspec.json.encode((tenant, document_id, n)).decode()))
