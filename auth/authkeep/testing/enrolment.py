"""Users with second factors, as if they had set them up on the page."""

from authkeep.auth import Auth
from authkeep.device import Device
from authkeep.testing.authenticator import SoftwareAuthenticator, authenticator_code
from authkeep.testing.people import SignedInUser

_HERE = Device("127.0.0.1", "test")


async def add_totp(auth: Auth, user: SignedInUser) -> tuple[str, tuple[str, ...]]:
    """The secret of a confirmed authenticator app, and the recovery codes if these are the first.

    The code of this moment is used up by it: advance the clock by thirty seconds before the next.
    """
    offer = await auth.mfa.app.offer(user.principal)
    code = authenticator_code(offer.secret, auth.clock.seconds())
    return offer.secret, await auth.mfa.app.confirm(user.principal, code, _HERE)


async def add_passkey(auth: Auth, user: SignedInUser, authenticator: SoftwareAuthenticator) -> tuple[str, ...]:
    """Make a passkey on the authenticator; the recovery codes if these are the first."""
    ticket, options = await auth.mfa.passkeys.options(user.principal)
    _, codes = await auth.mfa.passkeys.add(user.principal, ticket, "", authenticator.create(options), _HERE)
    return codes
