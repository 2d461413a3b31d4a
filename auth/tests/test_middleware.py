"""The door, looked at as ASGI."""

import gc
import weakref
from typing import Any

import pytest

from authkeep import Auth
from authkeep.http import AuthMiddleware, identity_of
from authkeep.testing import signed_in


class Scope(dict[str, Any]):
    """One that can be watched."""


async def answer(scope: Any, receive: Any, send: Any) -> None:
    assert identity_of(scope).address.text == "192.0.2.1"
    await send({"type": "http.response.start", "status": 200, "headers": []})


async def ignore(*_: Any) -> Any:
    pass


@pytest.mark.parametrize("token", ["good", "nonsense", "a.b.c", None])
async def test_a_flood_of_requests_is_no_flood_of_garbage(auth: Auth, token: str | None) -> None:
    """Whatever a request leaves in a cycle waits for the collector, and a flood of them stops the process for it."""
    if token == "good":
        token = (await signed_in(auth)).access_token
    headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
    scope = Scope(type="http", headers=headers, scheme="http", client=("192.0.2.1", 1))
    watched = weakref.ref(scope)
    gc.disable()
    try:
        await AuthMiddleware(answer, auth)(scope, ignore, ignore)
        del scope
        assert watched() is None
    finally:
        gc.enable()
