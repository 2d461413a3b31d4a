"""The errors of second factors; the tree is drawn in `authkeep.errors`."""

from typing import ClassVar

from authkeep.errors import AuthenticationFailed, AuthError, InvalidInput


class InvalidMfaToken(AuthenticationFailed):
    """The sign-in that this belongs to cannot go on."""

    code = "invalid_mfa_token"
    message = "This took too long, or was wrong too often: sign in again"


class InvalidSecondFactor(AuthenticationFailed):
    """The password was right, and what came after it was not."""

    code = "invalid_second_factor"
    message = "This is not right, or it has been used before"


class PasskeyRefused(AuthenticationFailed):
    """A sign-in by passkey that failed, for whatever reason."""

    code = "passkey_refused"
    message = "This passkey does not open an account here"


class FactorNotFound(AuthError):
    """No such factor, or not the caller's: the same answer."""

    status = 404
    code = "factor_not_found"
    message = "There is no such factor"


class PasskeysNotOffered(AuthError):
    """Passkeys are not installed on this server."""

    status = 404
    code = "passkeys_not_offered"
    message = "This server does not offer passkeys"


class TotpEnabled(AuthError):
    """There is an authenticator app already."""

    status = 409
    code = "totp_enabled"
    message = "There is an authenticator app already: remove it before you add another"


class NoSecondFactor(AuthError):
    """Recovery codes stand in for a second factor, and there is none."""

    status = 409
    code = "no_second_factor"
    message = "Recovery codes come with an authenticator app or a passkey: add one of them first"


class UnacceptablePasskey(InvalidInput):
    """A new passkey that cannot be stored."""

    code = "unacceptable_passkey"
    message = "This passkey cannot be added: try again, or with another device"
    field: ClassVar[str | None] = "credential"


class WrongFactor(InvalidInput):
    """A code or a passkey that was asked for again is not right."""

    # Not a 401, as with WrongPassword.
    code = "wrong_factor"
    message = "This is not right, or it has been used before"
    field: ClassVar[str | None] = "code"


class SecondFactorRequired(InvalidInput):
    """The account has a second factor, and a password alone does not confirm who this is."""

    code = "second_factor_required"
    message = "Confirm it with a code or a passkey: the password alone is not enough for this account"
    field: ClassVar[str | None] = "password"
