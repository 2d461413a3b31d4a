"""Who is calling: all that a host application ever sees of a user."""

from dataclasses import dataclass, field
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
        user_id: UUIDv7, or what an imported user was known by; opaque to hosts, which store it as the owner of what
            they keep.
        login_id: the `sid` of the token, one signed-in device; or the id of the API key. Streams are ended by it.
        role: as of the token's minting; a change of role revokes the tokens minted before it.
        scopes: what the credential is limited to; empty means everything the role may do, and an API key's never is.
        authenticated_at: Unix seconds at which the user last proved who they are: `auth_time`; 0 for an API key.
        methods: how they did, as `amr` values (RFC 8176), such as pwd, otp, hwk, mfa.
        api_key_id: of the API key that was presented; None for a person who is signed in.
        epoch: the user's when the credential was made; whatever is open under it ends when the user's is raised.
    """

    user_id: str
    login_id: str
    role: Role
    scopes: frozenset[Scope] = frozenset()
    authenticated_at: float = 0.0
    methods: frozenset[str] = frozenset()
    api_key_id: str | None = None
    epoch: int = field(default=0, compare=False)

    @property
    def is_limited(self) -> bool:
        """Whether the credential is good only for what names one of its scopes: an API key always is."""
        return bool(self.scopes) or self.api_key_id is not None
