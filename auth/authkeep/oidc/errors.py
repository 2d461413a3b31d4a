"""What a sign-in with a provider raises; `authkeep.errors` draws where in the tree it stands."""

from authkeep.errors import AuthenticationFailed, AuthError, PermissionDenied


class ExternalSignInFailed(AuthenticationFailed):
    """What a browser brought back from a provider proves nothing."""

    code = "external_sign_in_failed"
    message = "The sign-in with that provider did not work: start again"


class ExternalSignInExpired(ExternalSignInFailed):
    """Nothing is waiting for this answer, in this browser."""

    code = "external_sign_in_expired"
    message = "This sign-in was started too long ago, or in another browser: start again"


class ExternalSignInDenied(ExternalSignInFailed):
    """The provider answered with an error."""

    code = "external_sign_in_denied"
    message = "The provider did not sign you in"


class FirstAccountMissing(PermissionDenied):
    """Nobody is here yet, and the first account takes the setup code."""

    code = "first_account_missing"
    message = "The first account, the administrator's, is registered with a password and the setup code"


class AccountDisabled(PermissionDenied):
    """An external identity of a disabled account."""

    code = "account_disabled"
    message = "This account is disabled: ask the administrator"


class ExternalEmailRefused(PermissionDenied):
    """An account needs an address that the provider has verified, and of a domain that is let in."""

    code = "external_email_refused"
    message = "The provider names no verified e-mail address for you that may be used here"


class ProviderNotFound(AuthError):
    """No provider has this id."""

    status = 404
    code = "provider_not_found"
    message = "There is no such sign-in provider"


class IdentityNotFound(AuthError):
    """No such identity, or not the caller's: the same answer."""

    status = 404
    code = "identity_not_found"
    message = "There is no such identity"


class IdentityTaken(AuthError):
    """The identity is another account's."""

    status = 409
    code = "identity_taken"
    message = "This identity signs in to another account already"


class LastWayIn(AuthError):
    """Without it nobody could sign in to the account any more."""

    status = 409
    code = "last_way_in"
    message = "This is the only way into your account: set a password, or add another one first"


class ProviderUnavailable(AuthError):
    """A provider does not answer, or not as one does."""

    status = 502
    code = "provider_unavailable"
    message = "The sign-in provider cannot be used just now: try again later, or sign in another way"


class ProviderTimeout(ProviderUnavailable):
    """A provider took too long."""

    status = 504
    code = "provider_timeout"
