"""authkeep: authentication you mount into a FastAPI application.

The core is free of frameworks; `authkeep.http` speaks FastAPI, `authkeep.sql` SQLAlchemy, `authkeep.valkey` Valkey,
and `authkeep.testing` ships the fakes.
"""

from authkeep.accounts import Accounts, RegistrationState
from authkeep.administration import Administration
from authkeep.api_keys import ApiKeys, NewApiKey
from authkeep.audit import Audit
from authkeep.auth import Auth
from authkeep.client_address import Address, TrustedProxies
from authkeep.clock import Clock, SystemClock
from authkeep.device import Device
from authkeep.errors import (
    ApiKeyNotFound,
    AuthenticationFailed,
    AuthError,
    CrossSiteRequest,
    EmailNotVerified,
    EmailTaken,
    HashingBusy,
    InsufficientRole,
    InsufficientScope,
    InvalidCredentials,
    InvalidEmail,
    InvalidInput,
    InvalidLink,
    InvalidName,
    InvalidRefreshToken,
    InvalidSetupCode,
    InvalidToken,
    LastAdmin,
    LoginNotFound,
    MailBusy,
    MailNotConfigured,
    NotSignedIn,
    PermissionDenied,
    RateLimited,
    RecentSignInRequired,
    RefreshTokenReused,
    RegistrationClosed,
    RequestTooLarge,
    RevocationsUnknown,
    StaleToken,
    TooManyApiKeys,
    UnacceptablePassword,
    Unavailable,
    UserNotFound,
    WrongPassword,
)
from authkeep.factors.errors import (
    FactorNotFound,
    InvalidMfaToken,
    InvalidSecondFactor,
    NoSecondFactor,
    PasskeyRefused,
    PasskeysNotOffered,
    SecondFactorRequired,
    TotpEnabled,
    UnacceptablePasskey,
    WrongFactor,
)
from authkeep.keys import SigningKeys
from authkeep.logins import Logins, SignedIn
from authkeep.mail import DevelopmentMailbox, Mail, Mailer, MailNotSent
from authkeep.mail_texts import MailTexts
from authkeep.mfa_tickets import MfaRequired
from authkeep.passwords import PasswordHasher
from authkeep.principal import Principal, Role, Scope
from authkeep.revocation_feed import ProcessFeed
from authkeep.settings import AuthSettings
from authkeep.store import RevocationFeed, Store
from authkeep.throttle import Counters, Decision, Limit, MemoryCounters, Throttle

__all__ = [
    "Accounts",
    "Address",
    "Administration",
    "ApiKeyNotFound",
    "ApiKeys",
    "Audit",
    "Auth",
    "AuthError",
    "AuthSettings",
    "AuthenticationFailed",
    "Clock",
    "Counters",
    "CrossSiteRequest",
    "Decision",
    "DevelopmentMailbox",
    "Device",
    "EmailNotVerified",
    "EmailTaken",
    "FactorNotFound",
    "HashingBusy",
    "InsufficientRole",
    "InsufficientScope",
    "InvalidCredentials",
    "InvalidEmail",
    "InvalidInput",
    "InvalidLink",
    "InvalidMfaToken",
    "InvalidName",
    "InvalidRefreshToken",
    "InvalidSecondFactor",
    "InvalidSetupCode",
    "InvalidToken",
    "LastAdmin",
    "Limit",
    "LoginNotFound",
    "Logins",
    "Mail",
    "MailBusy",
    "MailNotConfigured",
    "MailNotSent",
    "MailTexts",
    "Mailer",
    "MemoryCounters",
    "MfaRequired",
    "NewApiKey",
    "NoSecondFactor",
    "NotSignedIn",
    "PasskeyRefused",
    "PasskeysNotOffered",
    "PasswordHasher",
    "PermissionDenied",
    "Principal",
    "ProcessFeed",
    "RateLimited",
    "RecentSignInRequired",
    "RefreshTokenReused",
    "RegistrationClosed",
    "RegistrationState",
    "RequestTooLarge",
    "RevocationFeed",
    "RevocationsUnknown",
    "Role",
    "Scope",
    "SecondFactorRequired",
    "SignedIn",
    "SigningKeys",
    "StaleToken",
    "Store",
    "SystemClock",
    "Throttle",
    "TooManyApiKeys",
    "TotpEnabled",
    "TrustedProxies",
    "UnacceptablePasskey",
    "UnacceptablePassword",
    "Unavailable",
    "UserNotFound",
    "WrongFactor",
    "WrongPassword",
]
