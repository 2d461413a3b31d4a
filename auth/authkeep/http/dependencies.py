"""What routes ask for, a host's as well as authkeep's own."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from authkeep.auth import Auth
from authkeep.client_address import Address
from authkeep.device import Device
from authkeep.http.identity import identity_of
from authkeep.http.policies import signed_in
from authkeep.principal import Principal

CurrentPrincipal = Annotated[Principal, Depends(signed_in)]


async def current_auth(connection: HTTPConnection) -> Auth:
    """The `Auth` this application was mounted with."""
    return identity_of(connection.scope).auth


async def client_address(connection: HTTPConnection) -> Address:
    """Where the request comes from, as far as that can be believed."""
    return identity_of(connection.scope).address


async def client_device(connection: HTTPConnection) -> Device:
    """What a login remembers of the device it is opened on."""
    identity = identity_of(connection.scope)
    return Device(identity.address.text, connection.headers.get("user-agent", ""))


CurrentAuth = Annotated[Auth, Depends(current_auth)]
ClientAddress = Annotated[Address, Depends(client_address)]
ClientDevice = Annotated[Device, Depends(client_device)]


def throttled(name: str, *, by_address: bool = False) -> Callable[[HTTPConnection], Awaitable[None]]:
    """A dependency, or a check for `guarded`, that counts the request against the limit `name` before the route runs.

    It counts by user when somebody is signed in, else by address; always by address with `by_address`, for routes
    where an attacker could otherwise open a fresh account for a fresh count. Refusals and successes alike carry the
    RateLimit fields.
    """

    async def count(connection: HTTPConnection) -> None:
        identity = identity_of(connection.scope)
        signed_in_as = None if by_address else identity.principal
        key = f"user:{signed_in_as.user_id}" if signed_in_as else f"address:{identity.address.limit_key}"
        # As `identity.count` does, which would be one coroutine more on every request.
        identity.note(await identity.auth.throttle.hit(name, key))

    return count
