"""The authorisation matrix, on authkeep's own routes beside those of a host that uses everything there is."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, WebSocket
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.staticfiles import StaticFiles
from uuid_utils.compat import uuid7

from authkeep import Auth, Principal, Role
from authkeep.device import Device
from authkeep.http import (
    CurrentPrincipal,
    Guarded,
    Policy,
    PolicyFirst,
    guarded,
    identity_of,
    mount,
    owner_of,
    public,
    recent_sign_in,
    require_role,
    require_scope,
    signed_in,
)
from authkeep.matrix import Matrix, MatrixFailed, Sample
from authkeep.testing import SoftwareAuthenticator, add_passkey
from authkeep.testing import signed_in as sign_in
from authkeep.testing.provider import add_identity

pytest_plugins = ["authkeep.pytest_plugin"]

OWN_OPERATIONS = 53
HOST_OPERATIONS = 10
DOCUMENTATION = 4
ALL_OPERATIONS = OWN_OPERATIONS + HOST_OPERATIONS + DOCUMENTATION

Reader = Annotated[Principal, Depends(require_scope("notes"))]
Bodies = Mapping[str, Callable[[Mapping[str, str]], object]]
BODIES: Bodies = {
    "PUT /notes": lambda ids: {"note_id": ids["note_id"]},
    "PATCH /auth/passkeys/{passkey_id}": lambda _: {"name": "mine now"},
}


@dataclass
class Notes:
    """A host with a note for each user who is asked for a sample."""

    auth: Auth
    app: FastAPI
    declare: Mapping[str, Policy]
    notes: dict[str, str] = field(default_factory=dict)
    bodies: Bodies = field(default_factory=dict)

    async def sample(self) -> Sample:
        victim = await sign_in(self.auth, f"{uuid7()}@example.com", methods=["pwd", "otp", "mfa"])
        note_id = str(uuid7())
        self.notes[note_id] = victim.user.id
        other = await self.auth.logins.open(victim.user, Device("198.51.100.7"))
        key = await self.auth.api_keys.create(victim.principal, "n", ["notes"], None, Device("198.51.100.7"))
        await add_passkey(self.auth, victim, SoftwareAuthenticator("http://localhost:8000"))
        (passkey,) = await self.auth.mfa.passkeys.list_all(victim.principal)
        parameters = {
            "note_id": note_id,
            "sid": other.login_id,
            "key_id": key.key.id,
            "passkey_id": passkey.id,
            "user_id": victim.user.id,
            "provider": "nobody",
            "identity_id": await add_identity(self.auth, victim),
        }
        return Sample(victim, parameters, dict.fromkeys(parameters, str(uuid7())), self.bodies)


@pytest.fixture
def settings(settings: Any) -> Any:
    return replace(settings, scopes={"notes": "Read and write notes", "more": "All else"})


@pytest.fixture
async def authz_host(auth: Auth, tmp_path: Path) -> Notes:
    await sign_in(auth, "first@example.com", role=Role.ADMIN)
    app = FastAPI()
    mount(app, auth)
    host = Notes(auth, app, {"/opaque": public}, bodies=BODIES)
    app.include_router(notes_router(host))
    add_what_is_not_fastapi(app, tmp_path)
    return host


def notes_router(host: Notes) -> APIRouter:
    router = APIRouter(prefix="/notes", route_class=PolicyFirst)

    def find(note_id: str, owner: Principal) -> str:
        if host.notes.get(note_id) != owner.user_id:
            raise HTTPException(404)
        return note_id

    @router.get("/{note_id}", dependencies=[Depends(owner_of("note_id", scope="notes"))])
    async def get_note(note_id: str, reader: Reader) -> str:
        return find(note_id, reader)

    @router.put("", dependencies=[Depends(owner_of("note_id"))])
    async def put_note(principal: CurrentPrincipal, note: dict[str, str]) -> str:
        return find(note["note_id"], principal)

    @router.get("")
    async def stream(reader: Reader) -> Response:
        async def for_ever() -> AsyncIterator[str]:
            while True:
                yield reader.user_id

        return StreamingResponse(for_ever())

    @router.delete("", dependencies=[Depends(recent_sign_in(timedelta(minutes=5))), Depends(require_role(Role.ADMIN))])
    async def delete_all() -> None: ...

    return router


def add_what_is_not_fastapi(app: FastAPI, folder: Path) -> None:
    @app.websocket("/socket")
    async def socket(socket: WebSocket, principal: CurrentPrincipal) -> None:
        await socket.accept()

    async def plain(request: Request) -> Response:
        return PlainTextResponse("plain")

    app.router.add_route("/plain", guarded(require_role(Role.ADMIN, scope="more"))(plain), methods=["GET", "POST"])
    app.mount("/files", Guarded(StaticFiles(directory=folder), signed_in))
    app.mount("/sub", Guarded(Starlette(routes=[Route("/plain", plain, methods=["GET"])]), require_scope("more")))
    app.mount("/opaque", PlainTextResponse("opaque"))


async def test_everybody_is_refused_who_should_be(authz_matrix: Matrix) -> None:
    await authz_matrix.check(operations=ALL_OPERATIONS)


async def test_strangers_with_rubbish_are_told_no_more_than_401(authz_matrix: Matrix) -> None:
    await authz_matrix.check_strangers()


async def test_a_route_that_validates_before_it_asks_is_found(authz_host: Notes) -> None:
    @authz_host.app.post("/hasty")
    @guarded(signed_in)
    async def hasty(request: Request, limit: int) -> None: ...

    with pytest.raises(MatrixFailed, match=r"^POST /hasty, called by nobody with None: 422"):
        await Matrix(authz_host).check_strangers()


async def test_no_guard_could_go_unnoticed(authz_matrix: Matrix) -> None:
    await authz_matrix.check_mutants()


async def test_fewer_operations_than_there_are_is_a_failure(authz_matrix: Matrix) -> None:
    with pytest.raises(MatrixFailed, match=f"there are {ALL_OPERATIONS} operations, not 3:\nGET /openapi.json"):
        await authz_matrix.check(operations=3)


async def failure(host: Notes) -> str:
    matrix = Matrix(host)
    with pytest.raises(MatrixFailed) as failed:
        await matrix.check(operations=len(matrix.operations))
    return str(failed.value)


async def test_a_route_that_forgets_its_owner_is_found(authz_host: Notes) -> None:
    @authz_host.app.get("/leak/{note_id}", dependencies=[Depends(owner_of("note_id"))])
    async def leak(note_id: str) -> str:
        return authz_host.notes.get(note_id, "")

    assert "GET /leak/{note_id}, called by another user: passes and not 404" in await failure(authz_host)


async def test_an_answer_that_tells_not_yours_from_not_there_is_found(authz_host: Notes) -> None:
    @authz_host.app.get("/oracle/{note_id}", dependencies=[Depends(owner_of("note_id"))])
    async def oracle(note_id: str, principal: CurrentPrincipal) -> None:
        owner = authz_host.notes.get(note_id)
        if owner != principal.user_id:
            raise HTTPException(404, "no such note." if owner is None else "no such note")

    assert "what is somebody else's can be told from what is not there" in await failure(authz_host)


async def test_a_declaration_that_nobody_enforces_is_found(authz_host: Notes) -> None:
    authz_host.declare = {"/opaque": signed_in}
    found = await failure(authz_host)
    assert "GET /opaque/, called by nobody: passes and not 401" in found
    assert "GET /opaque/, called by an API key without the scope: passes and not 403" in found


async def test_a_route_that_fails_is_found(authz_host: Notes) -> None:
    @authz_host.app.get("/broken")
    async def broken(principal: CurrentPrincipal) -> None:
        raise RuntimeError

    assert "GET /broken, called by another user: 500" in await failure(authz_host)


async def test_a_guard_that_nobody_needs_survives(authz_host: Notes) -> None:
    @authz_host.app.get("/twice", dependencies=[Depends(signed_in)])
    async def twice(request: Request) -> None:
        identity_of(request.scope).require_principal()

    with pytest.raises(MatrixFailed, match=r"^GET /twice: nobody would miss \{'policy': 'signed_in'\}$"):
        await Matrix(authz_host).check_mutants()


async def test_a_sample_that_names_nothing_is_found(authz_host: Notes) -> None:
    @authz_host.app.get("/more/{thing_id}")
    async def more(principal: CurrentPrincipal, thing_id: str) -> None: ...

    matrix = Matrix(authz_host)
    with pytest.raises(LookupError, match=r"GET /more/\{thing_id\}: the sample names no thing_id"):
        await matrix.check(operations=len(matrix.operations))
