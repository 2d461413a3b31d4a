"""Host names: who is answered, over HTTP and over websockets."""

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from chatkeep.ops.hosts import AllowedHosts


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


APP = Starlette(routes=[Route("/", lambda _: PlainTextResponse("ok")), WebSocketRoute("/ws", echo)])
HERE = [
    "localhost",
    "localhost:8000",
    "a.localhost",
    "localhost.",
    "127.0.0.1:8000",
    "127.9.9.9",
    "[::1]:8000",
    "[::1]",
]
ELSEWHERE = [
    "evil.example",
    "127.0.0.1.evil.example",
    "evil-localhost",
    "127.0.0.1@evil.example",
    "localhost:x",
    "",
    "[]",
]


def get(app: AllowedHosts, host: str) -> int:
    return TestClient(app).get("/", headers={"Host": host}).status_code


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *[(host, 200) for host in [*HERE, "My.Host:80"]],
        *[(host, 403) for host in [*ELSEWHERE, "192.0.2.1", "[fd00::1]"]],
    ],
)
def test_this_machine_answers_to_its_own_names(host: str, status: int) -> None:
    assert get(AllowedHosts(APP, ["my.host"]), host) == status


@pytest.mark.parametrize(
    ("host", "status"),
    [*[(host, 200) for host in [*HERE, "192.0.2.1:8000", "[fd00::1]"]], *[(host, 403) for host in ELSEWHERE]],
)
def test_an_address_cannot_be_rebound(host: str, status: int) -> None:
    assert get(AllowedHosts(APP, [], any_address=True), host) == status


def test_a_second_host_header_does_not_help() -> None:
    headers = [("Host", "localhost"), ("Host", "evil.example")]
    assert TestClient(AllowedHosts(APP, [])).get("/", headers=headers).status_code == 403


def test_websockets_are_refused_too() -> None:
    client = TestClient(AllowedHosts(APP, []))
    with client.websocket_connect("/ws", headers={"Host": "localhost"}):
        pass
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/ws", headers={"Host": "evil.example"}):
        pass
