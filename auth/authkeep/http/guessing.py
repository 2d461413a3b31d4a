"""How often passwords may be guessed: by an address, at an account, and on a device that is known.

A stranger counts twice: against the address, before anything is read, and against the account, known or not. Only
failures at an account stay counted. A device on which the account has signed in before counts against itself alone, so
that neither a neighbour behind the same address nor somebody who guesses from everywhere can lock its owner out.
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Response
from starlette.requests import Request

from authkeep.device_tokens import KnownDevice
from authkeep.errors import HashingBusy
from authkeep.http.cookies import read_device_cookie, set_device_cookie
from authkeep.http.identity import identity_of

DEVICE_HEADER = "Authkeep-Device"


class Guesses:
    """One request that brings a password."""

    def __init__(self, request: Request, device: KnownDevice | None) -> None:
        self._identity = identity_of(request.scope)
        self._auth = self._identity.auth
        self._device = device

    async def count_first(self) -> None:
        """Before the body is read: a known device against itself, anybody else against the address.

        Raises:
            RateLimited: that limit is used up.
        """
        if self._device is not None:
            await self._identity.count("login_device", self._device.id)
        else:
            await self._count_address()

    @contextlib.asynccontextmanager
    async def at(self, email: str) -> AsyncIterator[None]:
        """Around the check of a password for this address: what raises stays counted.

        Raises:
            RateLimited: strangers have guessed at this account too often.
        """
        account = self._auth.device_tokens.account(email)
        if self._device is not None and self._device.knows(account):
            yield
            return
        if self._device is not None:
            await self._count_address()
        # Not among `decisions`: how many guesses are left would tell strangers whether somebody else has been here.
        await self._auth.throttle.require("login_account", account.hex())
        try:
            yield
        except HashingBusy:
            await self._auth.throttle.give_back("login_account", account.hex())
            raise
        await self._auth.throttle.give_back("login_account", account.hex())

    async def _count_address(self) -> None:
        await self._identity.count("login", f"address:{self._identity.address.limit_key}")


def known_device(request: Request) -> KnownDevice | None:
    """The device, where its header or its cookie proves that somebody has signed in on it before."""
    auth = identity_of(request.scope).auth
    presented = request.headers.get(DEVICE_HEADER) or read_device_cookie(request)
    return auth.device_tokens.read(presented, auth.clock.seconds())


def remember_device(request: Request, response: Response, email: str, transport: str) -> str | None:
    """Know this device again when `email`, who has just signed in on it, comes back.

    Returns:
        The token, for a client that keeps it and sends it as `Authkeep-Device`; None where a cookie does that.
    """
    auth = identity_of(request.scope).auth
    tokens = auth.device_tokens
    token = tokens.issue(known_device(request), tokens.account(email), auth.clock.seconds())
    if transport == "json":
        return token
    set_device_cookie(request, response, token)
    return None


async def count_guesses(request: Request) -> Guesses:
    """The dependency of routes that sign somebody in with a password."""
    guesses = Guesses(request, known_device(request))
    await guesses.count_first()
    return guesses


GuessesCounted = Annotated[Guesses, Depends(count_guesses)]
