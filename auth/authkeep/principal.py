"""Who is calling: all that a host application ever sees of a user."""

from dataclasses import dataclass
from enum import StrEnum

Scope = str


class Role(StrEnum):
    """What a user may do beyond what is their own."""

    USER = "user"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose credential has been verified for this request.

    Attributes:
        user_id: UUIDv7; opaque to hosts, which store it as the owner of what they keep.
        login_id: the `sid` of the token: one signed-in device. Streams are ended by it.
        role: as of the token's minting; a change of role revokes the tokens minted before it.
        scopes: what the credential is limited to; empty means everything the role may do.
    """

    user_id: str
    login_id: str
    role: Role
    scopes: frozenset[Scope] = frozenset()
