"""The fakes, shipped, so that hosts' tests need not invent their own.

`MemoryStore` passes the behaviour suite that the SQL store passes. `signed_in` makes a user with a real login and real
tokens, without the cost of a password.
"""

from authkeep.testing.clock import FrozenClock
from authkeep.testing.people import CHEAP_ARGON2, SignedInUser, cheap_passwords, signed_in
from authkeep.testing.store import MemoryStore

__all__ = ["CHEAP_ARGON2", "FrozenClock", "MemoryStore", "SignedInUser", "cheap_passwords", "signed_in"]
