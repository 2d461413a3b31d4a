"""The fakes, shipped, so that hosts' tests need not invent their own.

`MemoryStore` passes the behaviour suite that the SQL store passes. `signed_in` makes a user with a real login and real
tokens, without the cost of a password; `add_totp` and `add_passkey` give them second factors, and
`SoftwareAuthenticator` and `authenticator_code` answer for those. `CredentialsInLogs` sees what should not be logged.
"""

from authkeep.testing.authenticator import SoftwareAuthenticator, authenticator_code
from authkeep.testing.clock import FrozenClock
from authkeep.testing.enrolment import add_passkey, add_totp
from authkeep.testing.logs import CredentialsInLogs, find_credential
from authkeep.testing.people import CHEAP_ARGON2, SignedInUser, cheap_passwords, signed_in, with_password
from authkeep.testing.store import MemoryStore

__all__ = [
    "CHEAP_ARGON2",
    "CredentialsInLogs",
    "FrozenClock",
    "MemoryStore",
    "SignedInUser",
    "SoftwareAuthenticator",
    "add_passkey",
    "add_totp",
    "authenticator_code",
    "cheap_passwords",
    "find_credential",
    "signed_in",
    "with_password",
]
