"""Everything authkeep raises, with the stable code and the HTTP status each one is rendered with.

AuthError
├── AuthenticationFailed            401   the caller has not proved who they are
│   ├── NotSignedIn                 401   not_signed_in: no credential was presented
│   ├── InvalidToken                401   invalid_token: malformed, expired, revoked or foreign; never says which
│   │   └── StaleToken              401   the same code and words: once ours, so nobody is guessing
│   ├── InvalidMfaToken             401   invalid_mfa_token: expired, used up, or the account has changed: start again
│   ├── InvalidSecondFactor         401   invalid_second_factor: the password was right, and this was not
│   ├── PasskeyRefused              401   passkey_refused: unknown, not verified, disabled user; never says which
│   ├── RecentSignInRequired        401   recent_sign_in_required: signed in, and too long ago for this
│   ├── InvalidCredentials          401   invalid_credentials: unknown user, wrong password or disabled user
│   ├── ExternalSignInFailed        401   external_sign_in_failed: what came back from the provider proves nothing
│   │   ├── ExternalSignInExpired   401   external_sign_in_expired: started too long ago, used, or another browser's
│   │   └── ExternalSignInDenied    401   external_sign_in_denied: the provider, or the person there, said no
│   └── InvalidRefreshToken         401   invalid_refresh_token
│       └── RefreshTokenReused      401   the same code and words: a thief must not learn that we noticed
├── PermissionDenied                403   the caller is known and may not
│   ├── InsufficientRole            403   insufficient_role
│   ├── InsufficientScope           403   insufficient_scope: an API key, where none or another scope is wanted
│   ├── CrossSiteRequest            403   cross_site_request
│   ├── EmailNotVerified            403   email_not_verified: told to nobody without the right password
│   ├── RegistrationClosed          403   registration_closed
│   ├── FirstAccountMissing         403   first_account_missing: an external sign-in is never the first
│   ├── AccountDisabled             403   account_disabled: said to those alone who have just proved that it is theirs
│   ├── ExternalEmailRefused        403   external_email_refused: none, not verified, or not of a domain that is let in
│   └── InvalidSetupCode            403   invalid_setup_code
├── LoginNotFound                   404   login_not_found: also when it is somebody else's
├── ApiKeyNotFound                  404   api_key_not_found: also when it is somebody else's
├── FactorNotFound                  404   factor_not_found: also when it is somebody else's
├── PasskeysNotOffered              404   passkeys_not_offered: this server does not offer them
├── UserNotFound                    404   user_not_found: what an admin asked for is not there
├── ProviderNotFound                404   provider_not_found
├── IdentityNotFound                404   identity_not_found: also when it is somebody else's
├── EmailTaken                      409   email_taken
├── TooManyApiKeys                  409   too_many_api_keys
├── IdentityTaken                   409   identity_taken: it signs in to another account
├── LastWayIn                       409   last_way_in: nothing else is left to sign in with
├── LastAdmin                       409   last_admin: nobody would be left to administer
├── TotpEnabled                     409   totp_enabled: remove the one before
├── NoSecondFactor                  409   no_second_factor: recovery codes stand in for another factor
├── RequestTooLarge                 413   request_too_large
├── InvalidInput                    422   invalid_request, with one entry in `errors` per field
│   ├── InvalidEmail                422   invalid_email
│   ├── InvalidName                 422   invalid_name
│   ├── InvalidLink                 422   invalid_link: a mailed token that is used, void, expired or invented
│   ├── UnacceptablePassword        422   unacceptable_password
│   ├── UnacceptablePasskey         422   unacceptable_passkey: not a good answer to the challenge, or one too many
│   ├── WrongFactor                 422   wrong_factor: a code or a passkey, asked for again before something sensitive
│   ├── SecondFactorRequired        422   second_factor_required: a password alone does not confirm who this is
│   └── WrongPassword               422   wrong_password: the current one, asked for again before a change
├── RateLimited                     429   rate_limited, with Retry-After
├── Unavailable                     503   refuse rather than guess, with Retry-After
│   ├── HashingBusy                 503   hashing_busy: the password queue is full
│   ├── MailBusy                    503   mail_busy: the tray of outgoing mail is full
│   ├── MailNotConfigured           503   mail_not_configured: this deployment sends no mail
│   └── RevocationsUnknown          503   revocations_unknown: no fresh view and the store does not answer
└── ProviderUnavailable             502   provider_unavailable: it does not answer, or not as a provider does
    └── ProviderTimeout             504   provider_timeout

Those of second factors are in `authkeep.factors.errors`.

A setting that cannot work raises `ValueError` where it is built, naming the setting: that is the operator's
mistake, not a caller's, and it never reaches HTTP.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar


class AuthError(Exception):
    """Base of the tree.

    Attributes:
        status: HTTP status code.
        code: stable, machine-readable; clients may switch on it.
        message: what `detail` is when nothing more can be said.
        detail: for a person, what happened and what to do; never a secret.
        headers: response headers this refusal calls for.
        errors: one mapping per offending field, for 422.
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "auth_error"
    message: ClassVar[str] = "Authentication error"

    def __init__(self, detail: str | None = None, *, headers: Mapping[str, str] | None = None) -> None:
        self.detail = detail or self.message
        self.headers: dict[str, str] = dict(headers or {})
        self.errors: Sequence[Mapping[str, object]] = ()
        super().__init__(self.detail)


class AuthenticationFailed(AuthError):
    """The caller has not proved who they are."""

    status = 401
    code = "authentication_failed"
    message = "Authentication failed"
    challenge: ClassVar[str] = "Bearer"

    def __init__(self, detail: str | None = None, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail, headers=headers)
        self.headers.setdefault("WWW-Authenticate", self.challenge)


class NotSignedIn(AuthenticationFailed):
    """No credential was presented."""

    code = "not_signed_in"
    message = "Sign in to do this"


class InvalidToken(AuthenticationFailed):
    """An access token that is not accepted, for whatever reason."""

    # RFC 6750, section 3.1: one error code for expired, revoked, malformed, or invalid for other reasons.
    code = "invalid_token"
    message = "The access token is not valid"
    challenge = 'Bearer error="invalid_token"'


class StaleToken(InvalidToken):
    """A token of this deployment that has expired or been revoked: every client has one now and then."""


class RecentSignInRequired(AuthenticationFailed):
    """The caller is signed in, but proved it too long ago for this."""

    code = "recent_sign_in_required"
    message = "Confirm that it is you: sign in again to do this"

    def __init__(self, detail: str | None = None, *, max_age: int) -> None:
        """`max_age` is in seconds: what would be recent enough (RFC 9470, section 3)."""
        challenge = f'Bearer error="insufficient_user_authentication", max_age="{max_age}"'
        super().__init__(detail, headers={"WWW-Authenticate": challenge})


class InvalidCredentials(AuthenticationFailed):
    """A login that failed, for whatever reason."""

    code = "invalid_credentials"
    message = "The e-mail address or the password is not right"


class InvalidRefreshToken(AuthenticationFailed):
    """A refresh token that is not accepted, for whatever reason."""

    code = "invalid_refresh_token"
    message = "This login has ended: sign in again"


class RefreshTokenReused(InvalidRefreshToken):
    """A refresh token that was rotated before: its login has been ended."""


class PermissionDenied(AuthError):
    """The caller is known and may not."""

    status = 403
    code = "permission_denied"
    message = "You may not do this"


class InsufficientRole(PermissionDenied):
    """The caller's role is not the one that this needs."""

    code = "insufficient_role"


class InsufficientScope(PermissionDenied):
    """The credential is limited to scopes, and none of them is for this."""

    code = "insufficient_scope"
    message = "An API key cannot do this: sign in"

    def __init__(self, detail: str | None = None, *, scope: str | None = None) -> None:
        """`scope` is the one that would do; None where no API key would (RFC 6750, section 3.1)."""
        if scope is None:
            super().__init__(detail, headers={"WWW-Authenticate": 'Bearer error="insufficient_scope"'})
            return
        challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
        super().__init__(
            detail or f"This needs an API key with the scope {scope}.", headers={"WWW-Authenticate": challenge}
        )


class CrossSiteRequest(PermissionDenied):
    """A browser was made to send this by another site."""

    code = "cross_site_request"
    message = "The request came from another site"


class EmailNotVerified(PermissionDenied):
    """The password was right, and the address it belongs to has not been confirmed."""

    code = "email_not_verified"
    message = "Confirm your e-mail address first: open the link in the mail that we sent you"


class RegistrationClosed(PermissionDenied):
    """This install takes no strangers."""

    code = "registration_closed"
    message = "New accounts are not open here: ask the administrator for one"


class InvalidSetupCode(PermissionDenied):
    """The first registration came without the code that the operator was shown."""

    code = "invalid_setup_code"
    message = "The first account needs the setup code that the server printed when it started"


class LoginNotFound(AuthError):
    """No such login, or not the caller's: the same answer."""

    status = 404
    code = "login_not_found"
    message = "There is no such login"


class ApiKeyNotFound(AuthError):
    """No such API key, or not the caller's: the same answer."""

    status = 404
    code = "api_key_not_found"
    message = "There is no such API key"


class TooManyApiKeys(AuthError):
    """The caller has as many API keys as anybody may."""

    status = 409
    code = "too_many_api_keys"
    message = "You have as many API keys as anybody may: revoke one first"


class UserNotFound(AuthError):
    """No user has this id. Only admins may ask."""

    status = 404
    code = "user_not_found"
    message = "There is no such user"


class EmailTaken(AuthError):
    """Another account has this address."""

    status = 409
    code = "email_taken"
    message = "An account with this e-mail address exists already: sign in instead"


class LastAdmin(AuthError):
    """No admin who can sign in would be left."""

    status = 409
    code = "last_admin"
    message = "This is the only administrator: make somebody else one first"


class RequestTooLarge(AuthError):
    """A body beyond what any of authkeep's routes takes."""

    status = 413
    code = "request_too_large"
    message = "The request is larger than anything this route takes"


class InvalidInput(AuthError):
    """What was sent is not valid; `errors` has one entry per field."""

    status = 422
    code = "invalid_request"
    message = "The request is not valid"
    field: ClassVar[str | None] = None

    def __init__(
        self, detail: str | None = None, *, errors: Sequence[Mapping[str, object]] = (), field: str | None = None
    ) -> None:
        super().__init__(detail)
        name = field or self.field
        self.errors = errors or ([{"loc": ["body", name], "msg": self.detail, "type": self.code}] if name else ())


class InvalidEmail(InvalidInput):
    """Not an e-mail address."""

    code = "invalid_email"
    message = "This is not an e-mail address: write it as name@domain"
    field: ClassVar[str | None] = "email"


class InvalidName(InvalidInput):
    """Not a name fit to be shown."""

    code = "invalid_name"
    message = "This name cannot be used"
    field: ClassVar[str | None] = "name"


class InvalidLink(InvalidInput):
    """The token of a mailed link that is used, void, expired or invented."""

    code = "invalid_link"
    message = "This link has expired or was used before: ask for a new one"
    field: ClassVar[str | None] = "token"


class UnacceptablePassword(InvalidInput):
    """A new password that the policy refuses; `detail` says what to do."""

    code = "unacceptable_password"
    message = "Choose another password"
    field: ClassVar[str | None] = "password"


class WrongPassword(InvalidInput):
    """The current password, asked for again before a change, is not right."""

    # Not a 401: that would tell clients that their access token is bad, and they would refresh and try again.
    code = "wrong_password"
    message = "The current password is not right"
    field: ClassVar[str | None] = "current_password"


class _RetryLater(AuthError):
    def __init__(
        self, detail: str | None = None, *, retry_after: float = 1.0, headers: Mapping[str, str] | None = None
    ) -> None:
        """`retry_after` is in seconds, rounded up to the whole ones that RFC 9110, section 10.2.3, allows."""
        super().__init__(detail, headers=headers)
        self.headers.setdefault("Retry-After", str(max(1, -int(-retry_after // 1))))


class RateLimited(_RetryLater):
    """A limit is used up."""

    status = 429
    code = "rate_limited"
    message = "Too many requests: wait a moment and try again"


class Unavailable(_RetryLater):
    """Refused rather than guessed."""

    status = 503
    code = "unavailable"
    message = "Temporarily unavailable"


class HashingBusy(Unavailable):
    """The password queue is full."""

    code = "hashing_busy"
    message = "Many people are signing in just now: try again in a moment"


class RevocationsUnknown(Unavailable):
    """The view of revocations is stale and the store does not answer."""

    code = "revocations_unknown"
    message = "It cannot be confirmed just now that this login is still valid: try again in a moment"


class MailBusy(Unavailable):
    """The tray of outgoing mail is full."""

    code = "mail_busy"
    message = "Too much mail is waiting to be sent: try again in a few minutes"


class MailNotConfigured(Unavailable):
    """This deployment sends no mail."""

    code = "mail_not_configured"
    message = "This server sends no mail: ask its administrator"
