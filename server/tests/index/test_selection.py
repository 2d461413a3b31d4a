"""Which index the settings ask for, and what /readyz says of it."""

import importlib.util
from pathlib import Path

import pytest

from chatkeep.app import _index_check
from chatkeep.index.edge import EdgeIndexes
from chatkeep.index.qdrant import QdrantIndexes
from chatkeep.index.selection import build_indexes
from server.tests.index.conftest import SPEC
from server.tests.index.qdrant_stub import API_KEY, qdrant_stub


def test_a_server_where_one_is_named_and_else_the_data_directory(tmp_path: Path) -> None:
    embedded = build_indexes(tmp_path, None, None)
    assert isinstance(embedded, EdgeIndexes)
    assert isinstance(build_indexes(tmp_path, "http://127.0.0.1:6333", "key"), QdrantIndexes)
    # Nothing has been started nor written for it.
    assert embedded.pid is None
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_there_are_no_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert build_indexes(tmp_path, None, None) is None
    with pytest.raises(ValueError, match=r"chatkeep\[documents\]"):
        build_indexes(tmp_path, "http://127.0.0.1:6333", None)


async def test_readiness_starts_no_process_and_asks_one_that_runs(tmp_path: Path) -> None:
    indexes = EdgeIndexes(tmp_path / "index")
    check = _index_check(indexes)
    assert await check() is None
    assert indexes.pid is None
    await indexes.open(SPEC).check()
    assert await check() is None
    await indexes.aclose()
    assert await check() == "does not answer"


async def test_readiness_tells_when_the_server_does_not_take_the_key(caplog: pytest.LogCaptureFixture) -> None:
    async with qdrant_stub() as stub:
        for key, told in ((API_KEY, None), ("wrong-key", "does not answer")):
            indexes = build_indexes(Path(), stub.url, key)
            assert indexes is not None
            assert await _index_check(indexes)() == told
            await indexes.aclose()
    assert "CHATKEEP_QDRANT_API_KEY" in caplog.text
    assert "wrong-key" not in caplog.text
