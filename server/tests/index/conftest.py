"""One suite of behaviour, for every way to hold an index."""

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from qdrant_client import AsyncQdrantClient

from chatkeep.index.edge import EdgeIndexes
from chatkeep.index.port import Indexes, IndexSpec, VectorIndex
from chatkeep.index.qdrant import QdrantIndexes, connect
from server.tests.index.qdrant_stub import API_KEY, qdrant_stub

SPEC = IndexSpec("tests/four-directions", 4)


HOLDERS = ["edge", "local mode", "over HTTP"] + ["server"] * ("QDRANT_URL" in os.environ)


@pytest_asyncio.fixture(params=HOLDERS, scope="module", loop_scope="module")
async def indexes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Indexes]:
    """Embedded; the official client's own local mode; the same behind a socket; and a server where there is one."""
    match request.param:
        case "edge":
            edge = EdgeIndexes(tmp_path_factory.mktemp("data") / "index", restart_pause=0.01)
            yield edge
            await edge.aclose()
        case "local mode":
            local = QdrantIndexes(AsyncQdrantClient(":memory:"))
            yield local
            await local.aclose()
        case "over HTTP":
            async with qdrant_stub() as stub:
                client = connect(stub.url, API_KEY)
                yield client
                await client.aclose()
        case _:
            server = connect(os.environ["QDRANT_URL"], os.environ.get("QDRANT_API_KEY"))
            yield server
            await server.aclose()


@pytest_asyncio.fixture(loop_scope="module")
async def index(indexes: Indexes) -> AsyncIterator[VectorIndex]:
    """An empty one; to start a process for each test would take longer than the tests do."""
    for spec in await indexes.list_specs():
        await indexes.drop(spec)
    yield indexes.open(SPEC)
