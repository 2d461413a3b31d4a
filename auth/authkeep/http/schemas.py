"""The JSON that comes in and goes out.

What comes in has no field for a role, an id or an owner, and unknown members are dropped: there is nothing to assign
by surprise. Lengths are left to the core, which says what to do about them; the body as a whole is bounded.
"""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, Field

from authkeep.device_name import device_name
from authkeep.logins import SignedIn
from authkeep.store import Identity, Login, User


def _whole_characters(text: str) -> str:
    if not text.isascii() and any(0xD800 <= ord(char) <= 0xDFFF for char in text):
        raise ValueError("contains half a character (a lone surrogate)")
    return text


# JSON may escape half of a surrogate pair, which no database and no digest takes.
Text = Annotated[str, AfterValidator(_whole_characters)]
Secret = Annotated[Text, Field(repr=False)]


class Registration(BaseModel):
    """A new account."""

    email: Text
    password: Secret
    name: Text | None = None
    setup_code: Annotated[Text | None, Field(repr=False)] = None


class Credentials(BaseModel):
    """An e-mail address and a password."""

    email: Text
    password: Secret


class RefreshRequest(BaseModel):
    """A refresh token, unless the cookie carries it."""

    refresh_token: Annotated[Text | None, Field(repr=False)] = None


class ProfileChange(BaseModel):
    """What a user may change about themselves."""

    name: Text


class PasswordChange(BaseModel):
    """The current password, and the one to come."""

    current_password: Secret
    new_password: Secret


class Mailbox(BaseModel):
    """An e-mail address, to which a link is to be sent."""

    email: Text


class MailedToken(BaseModel):
    """What stands behind the # of a mailed link."""

    token: Secret


class PasswordReset(BaseModel):
    """The token of a mailed link, and the password to come."""

    token: Secret
    new_password: Secret


class EmailChange(BaseModel):
    """The address to come."""

    new_email: Text


class Accepted(BaseModel):
    """What has been asked for may happen; the answer is the same if it does not."""

    detail: str


class UserOut(BaseModel):
    """A user, as they see themselves."""

    id: str
    email: str
    name: str | None
    role: str
    created_at: datetime
    email_verified: bool
    has_password: bool

    @classmethod
    def of(cls, user: User, **more: object) -> Self:
        return cls.model_validate(
            {
                "id": user.id,
                "email": user.email,
                "name": user.name or None,
                "role": user.role.value,
                "created_at": user.created_at,
                "email_verified": user.email_verified_at is not None,
                "has_password": user.password_hash is not None,
                **more,
            }
        )


class MeOut(UserOut):
    """With what takes another look to know."""

    mfa_enabled: bool


class TokensOut(BaseModel):
    """As RFC 6749, section 5.1. `refresh_token` and `device_token` are left out where cookies carry them."""

    access_token: str = Field(repr=False)
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a kind, not a token
    expires_in: int
    refresh_token: str | None = Field(default=None, repr=False)
    device_token: str | None = Field(default=None, repr=False)
    user: UserOut

    @classmethod
    def of(cls, signed_in: SignedIn, *, with_refresh_token: bool) -> Self:
        tokens = cls(
            access_token=signed_in.access_token,
            token_type="bearer",  # noqa: S106
            expires_in=signed_in.expires_in,
            user=UserOut.of(signed_in.user),
        )
        if with_refresh_token:
            tokens.refresh_token = signed_in.refresh_token
        return tokens


class LoginOut(BaseModel):
    """One signed-in device; `name` is what people call it."""

    sid: str
    name: str
    created_at: datetime
    last_used_at: datetime
    address: str
    user_agent: str
    current: bool

    @classmethod
    def of(cls, login: Login, *, current_sid: str) -> Self:
        return cls(
            sid=login.sid,
            name=device_name(login.user_agent),
            created_at=login.created_at,
            last_used_at=login.last_used_at,
            address=login.address,
            user_agent=login.user_agent,
            current=login.sid == current_sid,
        )


class LoginsPage(BaseModel):
    """A page of devices, newest first."""

    items: list[LoginOut]
    next_cursor: str | None


class RegistrationOut(BaseModel):
    """What a sign-up form needs to know.

    Attributes:
        password_min_length: in characters after normalisation.
        email_verification: whether registering sends a mail, instead of saying how it went.
        password_reset: whether a forgotten password can be replaced by way of the mailbox.
    """

    open: bool
    first_user: bool
    setup_code_required: bool
    password_min_length: int
    email_verification: bool
    password_reset: bool


class ProviderOut(BaseModel):
    """One that people can sign in with."""

    id: str
    name: str


class ProvidersOut(BaseModel):
    items: list[ProviderOut]


class LinkRequest(BaseModel):
    """Where to go when the identity is linked."""

    return_to: Text = "/"


class LinkStart(BaseModel):
    """Where the browser goes now."""

    authorization_url: str = Field(repr=False)


class IdentityOut(BaseModel):
    """One identity that signs in to an account."""

    id: str
    provider: str
    issuer: str
    email: str | None
    created_at: datetime
    last_used_at: datetime | None

    @classmethod
    def of(cls, identity: Identity) -> Self:
        return cls(
            id=identity.id,
            provider=identity.provider,
            issuer=identity.issuer,
            email=identity.email or None,
            created_at=identity.created_at,
            last_used_at=identity.last_used_at,
        )


class IdentitiesPage(BaseModel):
    """A page of identities, newest first."""

    items: list[IdentityOut]
    next_cursor: str | None
