"""The JSON of second factors and passkeys."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from authkeep.factors.totp import TotpOffer
from authkeep.http.schemas import Secret, Text
from authkeep.mfa_tickets import MfaRequired
from authkeep.store import FactorsHeld, Passkey

# What `PublicKeyCredential.toJSON()` gives. Its members are checked where they are understood.
Credential = Annotated[dict[str, Any], Field(repr=False)]
MaybeCredential = Annotated[dict[str, Any] | None, Field(repr=False)]
MaybeSecret = Annotated[Text | None, Field(repr=False)]


class MfaRequiredOut(BaseModel):
    """The password was right, and the account wants one of `factors` besides. There are no tokens yet."""

    mfa_required: Literal[True] = True
    mfa_token: str = Field(repr=False)
    factors: list[str]

    @classmethod
    def of(cls, required: MfaRequired) -> Self:
        # All of them said, so that an answer without what was not set still has them.
        return cls(mfa_required=True, mfa_token=required.mfa_token, factors=list(required.factors))


class MfaToken(BaseModel):
    """What the first step gave."""

    mfa_token: Secret


class SecondFactor(BaseModel):
    """The token of the first step, and a code or a passkey."""

    mfa_token: Secret
    factor: Literal["totp", "recovery_code", "passkey"]
    code: MaybeSecret = None
    credential: MaybeCredential = None

    @model_validator(mode="after")
    def _has_its_proof(self) -> Self:
        if (self.credential if self.factor == "passkey" else self.code) is None:
            raise ValueError("send a code, or for a passkey its credential")
        return self


class PasskeyAnswer(BaseModel):
    """A ticket, and what the passkey made of the options that came with it."""

    ticket: Secret
    credential: Credential


class StepUpProof(BaseModel):
    """One proof: a password, a code, or a passkey."""

    password: MaybeSecret = None
    factor: Literal["totp", "recovery_code"] | None = None
    code: MaybeSecret = None
    ticket: MaybeSecret = None
    credential: MaybeCredential = None

    @model_validator(mode="after")
    def _is_one_proof(self) -> Self:
        password, code = self.password is not None, (self.factor is not None, self.code is not None)
        passkey = (self.ticket is not None, self.credential is not None)
        if code[0] != code[1] or passkey[0] != passkey[1] or password + code[0] + passkey[0] != 1:
            raise ValueError("send a password; or a factor and its code; or a ticket and a credential")
        return self


class AccessTokenOut(BaseModel):
    """A new access token of the same login."""

    access_token: str = Field(repr=False)
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a kind, not a token
    expires_in: int


class PasskeyOptionsOut(BaseModel):
    """For the browser: `options` by `PublicKeyCredential.parse...OptionsFromJSON()`; `ticket` comes back with it."""

    ticket: str = Field(repr=False)
    options: dict[str, Any]


class FactorsOut(BaseModel):
    """What the caller can prove besides a password; `passkeys` is how many."""

    totp: bool
    recovery_codes_left: int
    passkeys: int

    @classmethod
    def of(cls, held: FactorsHeld) -> Self:
        return cls(totp=held.has_totp, recovery_codes_left=held.recovery_codes_left, passkeys=len(held.passkeys))


class TotpOfferOut(BaseModel):
    """For an authenticator app: by QR code, or typed. Shown once."""

    secret: str = Field(repr=False)
    otpauth_uri: str = Field(repr=False)

    @classmethod
    def of(cls, offer: TotpOffer) -> Self:
        return cls(secret=offer.secret, otpauth_uri=offer.uri)


class TotpCode(BaseModel):
    """Six digits."""

    code: Secret


class RecoveryCodesOut(BaseModel):
    """Shown once; empty where the user has some from before."""

    recovery_codes: list[str] = Field(repr=False)


class NewPasskey(PasskeyAnswer):
    """A passkey that the browser has made, and what to call it."""

    name: Text = ""


class PasskeyName(BaseModel):
    """What to call a passkey; empty for just that."""

    name: Text


class PasskeyOut(BaseModel):
    """A passkey, as its owner sees it; `backed_up` is whether losing a device is not losing it."""

    id: str
    name: str
    backed_up: bool
    created_at: datetime
    last_used_at: datetime | None

    @classmethod
    def of(cls, passkey: Passkey) -> Self:
        return cls(**_seen(passkey))


class NewPasskeyOut(PasskeyOut, RecoveryCodesOut):
    """With the recovery codes, if it is the first factor."""

    @classmethod
    def made(cls, passkey: Passkey, codes: tuple[str, ...]) -> Self:
        return cls(**_seen(passkey), recovery_codes=list(codes))


class PasskeysPage(BaseModel):
    """All of them: there are twenty at most."""

    items: list[PasskeyOut]
    next_cursor: None = None


def _seen(passkey: Passkey) -> Mapping[str, Any]:
    return {
        "id": passkey.id,
        "name": passkey.name,
        "backed_up": passkey.backed_up,
        "created_at": passkey.created_at,
        "last_used_at": passkey.last_used_at,
    }
