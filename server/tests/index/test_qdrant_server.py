"""The server that does not do as it should: over a real socket, with the real client."""

import socket

import pytest

from chatkeep.index.port import IndexUnavailable, Point, Query, TenantId
from chatkeep.index.qdrant import connect
from chatkeep.index.qdrant_errors import told_to_operators
from server.tests.index.conftest import SPEC
from server.tests.index.qdrant_stub import API_KEY, qdrant_stub

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")

ALICE = TenantId("u:alice")
NORTH = (1.0, 0.0, 0.0, 0.0)
SECRET = [Point("secret-document", 1, "secret text", NORTH)]


@pytest.mark.parametrize(
    ("status", "told"), [(401, "API_KEY"), (403, "API_KEY"), (404, "lost"), (500, "500"), (429, "429")]
)
async def test_what_a_server_answers_is_told_without_what_was_asked(status: int, told: str) -> None:
    async with qdrant_stub() as stub:
        indexes = connect(stub.url, API_KEY)
        index = indexes.open(SPEC)
        await index.put(ALICE, SECRET)
        stub.refuse_with = status
        for call in (
            lambda: index.put(ALICE, SECRET),
            lambda: index.search([ALICE], Query("secret text", NORTH), 9),
            lambda: index.delete_document(ALICE, "secret-document"),
            lambda: index.count(ALICE),
            index.check,
            indexes.check,
            indexes.list_specs,
        ):
            with pytest.raises(IndexUnavailable, match=told) as unavailable:
                await call()
            assert "secret" not in str(unavailable.value)
            assert stub.url not in str(unavailable.value)
        await indexes.aclose()


async def test_without_the_key_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with qdrant_stub() as stub:
        for key in (None, "wrong-key"):
            indexes = connect(stub.url, key)
            with pytest.raises(IndexUnavailable, match="CHATKEEP_QDRANT_API_KEY") as refused:
                await indexes.open(SPEC).check()
            assert "wrong-key" not in str(refused.value)
            await indexes.aclose()


@pytest.mark.parametrize("version", ["1.18.3", "0.9", ""])
async def test_a_server_that_counts_words_among_everybody_is_refused(version: str) -> None:
    async with qdrant_stub() as stub:
        stub.version = version
        indexes = connect(stub.url, API_KEY)
        for check in (indexes.check, indexes.open(SPEC).check):
            with pytest.raises(IndexUnavailable, match="too old"):
                await check()
        await indexes.aclose()


async def test_nobody_there_is_told_and_once_there_it_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    indexes = connect(f"http://127.0.0.1:{port}", API_KEY)
    with pytest.raises(IndexUnavailable, match="ConnectError"):
        await indexes.open(SPEC).search([ALICE], Query("apples", NORTH), 9)
    await indexes.aclose()


async def test_no_tenants_ask_no_server() -> None:
    async with qdrant_stub() as stub:
        indexes = connect(stub.url, API_KEY)
        assert await indexes.open(SPEC).search([], Query("apples", NORTH), 9) == []
        assert await indexes.open(SPEC).search([ALICE], Query("the", None), 9) == []
        assert stub.asked == []
        await indexes.aclose()


async def test_both_ways_are_one_request() -> None:
    async with qdrant_stub() as stub:
        indexes = connect(stub.url, API_KEY)
        index = indexes.open(SPEC)
        await index.put(ALICE, [Point("d", n, "apples", NORTH) for n in range(40)])
        stub.asked.clear()
        await index.search([ALICE], Query("apples", NORTH), 9)
        assert [path.rsplit("/", 2)[-2:] for _, path in stub.asked] == [["query", "batch"]]
        await indexes.aclose()


def test_whatever_the_client_raises_is_told_in_our_words() -> None:
    for error in (ValueError("secret"), RuntimeError("Client was closed"), TypeError("secret"), KeyError("secret")):
        with pytest.raises(IndexUnavailable) as unavailable, told_to_operators():
            raise error
        assert "secret" not in str(unavailable.value)
        assert unavailable.value.__cause__ is None
