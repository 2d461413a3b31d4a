"""The embedded index as a process: killed, stopped, orphaned, damaged. What it acknowledged stays."""

import asyncio
import itertools
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from chatkeep.index.edge import EdgeIndexes
from chatkeep.index.edge_process import EdgeProcess
from chatkeep.index.edge_wire import Count, Delete, Ping
from chatkeep.index.naming import index_name
from chatkeep.index.port import IndexUnavailable, Point, Query, TenantId, VectorIndex
from chatkeep.index.scope import scope
from chatkeep.llm.testing import eventually
from server.tests.index.conftest import SPEC

ALICE = TenantId("u:alice")
NORTH = (1.0, 0.0, 0.0, 0.0)


@pytest.fixture
async def indexes(tmp_path: Path) -> AsyncIterator[EdgeIndexes]:
    indexes = EdgeIndexes(tmp_path / "index", restart_pause=0.01)
    yield indexes
    await indexes.aclose()


T = TypeVar("T")


async def retried(ask: Callable[[], Awaitable[T]]) -> T:
    """As ingestion does: what an index cannot do now it can do in a while."""
    while True:
        try:
            return await ask()
        except IndexUnavailable:
            await asyncio.sleep(0.01)


def kill(indexes: EdgeIndexes) -> None:
    assert indexes.pid is not None
    os.kill(indexes.pid, signal.SIGKILL)


@pytest.mark.slow
async def test_killed_at_any_moment_it_loses_nothing_that_it_acknowledged(indexes: EdgeIndexes) -> None:
    index, held, chance = indexes.open(SPEC), dict[str, int](), random.Random(8)  # noqa: S311

    async def write(writer: str) -> None:
        for n in itertools.count():
            document, passages = f"{writer}-{n}", chance.randrange(1, 80)
            await index.put(ALICE, [Point(document, k, f"apples {k}", NORTH) for k in range(passages)])
            held[document] = passages
            if n % 3 == 2:
                # Until it is acknowledged, nobody knows.
                del held[gone := f"{writer}-{n - 1}"]
                await index.delete_document(ALICE, gone)
                held[gone] = 0

    for life in range(9):
        await retried(index.check)
        writers = [asyncio.create_task(write(f"{life}-{one}")) for one in range(3)]
        enough = len(held) + chance.randrange(1, 5)
        await eventually(lambda enough=enough: len(held) >= enough)  # type: ignore[misc]
        await asyncio.sleep(chance.random() / 50)
        kill(indexes)
        outcomes = await asyncio.gather(*writers, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [IndexUnavailable] * 3
    await retried(index.check)
    assert {document: await index.count(ALICE, document) for document in held} == held
    assert len(await index.search([ALICE], Query("apples", NORTH), 10)) == 10


async def test_killed_it_comes_back_and_says_so_meanwhile(
    indexes: EdgeIndexes, caplog: pytest.LogCaptureFixture
) -> None:
    index = indexes.open(SPEC)
    await index.put(ALICE, [Point("d", 1, "apples", NORTH)])
    first = indexes.pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    waiting = asyncio.create_task(index.search([ALICE], Query("secret question", NORTH), 9))
    await asyncio.sleep(0)
    kill(indexes)
    with pytest.raises(IndexUnavailable, match="has ended") as unavailable:
        await waiting
    assert len(await retried(lambda: index.search([ALICE], Query("apples", NORTH), 9))) == 1
    assert indexes.pid not in {None, first}
    assert "has ended" in caplog.text
    assert "secret" not in caplog.text + str(unavailable.value)


async def test_one_that_hangs_keeps_nobody_waiting_and_is_replaced(tmp_path: Path) -> None:
    process = EdgeProcess(tmp_path, pause=0.01, look_seconds=20.0, update_seconds=20.0, hang_seconds=0.2)
    await process.ask(SPEC, Ping(), type(None))
    first = process.pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    process._seconds = (0.05, 0.05)
    with pytest.raises(IndexUnavailable, match="too long"):
        await process.ask(SPEC, Count(scope(ALICE)), int)
    assert process.pid == first
    while process.pid == first:
        with pytest.raises(IndexUnavailable):
            await process.ask(SPEC, Delete(scope(ALICE)), type(None))
        await asyncio.sleep(0.01)
    process._seconds = (20.0, 20.0)
    assert await retried(lambda: process.ask(SPEC, Count(scope(ALICE)), int)) == 0
    assert process.pid != first
    await process.aclose()


async def test_more_than_can_wait_are_told_so(indexes: EdgeIndexes) -> None:
    index = indexes.open(SPEC)
    await index.check()
    assert indexes.pid is not None
    os.kill(indexes.pid, signal.SIGSTOP)
    waiting = [asyncio.create_task(index.search([ALICE], Query("apples", NORTH), 9)) for _ in range(600)]
    refused = await asyncio.gather(*waiting[512:], return_exceptions=True)
    assert all(isinstance(one, IndexUnavailable) and "busy" in str(one) for one in refused)
    os.kill(indexes.pid, signal.SIGCONT)
    assert await asyncio.gather(*waiting[:512]) == [[]] * 512


async def test_two_servers_do_not_share_a_data_directory(indexes: EdgeIndexes, tmp_path: Path) -> None:
    await indexes.open(SPEC).put(ALICE, [Point("d", 1, "apples", NORTH)])
    second = EdgeIndexes(tmp_path / "index")
    with pytest.raises(IndexUnavailable, match="another server") as refusal:
        await second.open(SPEC).count(ALICE)
    assert str(tmp_path) not in str(refusal.value)
    # However the first one ends, the second one is then let in.
    kill(indexes)
    await indexes.aclose()
    assert await retried(lambda: second.open(SPEC).count(ALICE)) == 1
    await second.aclose()


async def test_closed_it_leaves_no_process_and_all_that_it_held(tmp_path: Path) -> None:
    for life in range(2):
        indexes = EdgeIndexes(tmp_path / "index")
        await indexes.open(SPEC).put(ALICE, [Point("d", life, "apples", NORTH)])
        assert await indexes.open(SPEC).count(ALICE) == life + 1
        pid = indexes.pid
        assert pid is not None
        await indexes.aclose()
        assert not psutil.pid_exists(pid)
        with pytest.raises(IndexUnavailable, match="stopped"):
            await indexes.open(SPEC).check()


async def test_an_index_that_is_damaged_is_told_and_the_others_answer(indexes: EdgeIndexes, tmp_path: Path) -> None:
    await indexes.open(SPEC).put(ALICE, [Point("d", 1, "apples", NORTH)])
    folder = tmp_path / "index" / index_name(SPEC)
    kill(indexes)
    for file in (folder / "shard").rglob("*.json"):
        file.write_bytes(b"}")
    with pytest.raises(IndexUnavailable, match="damaged") as damaged:
        await retried_while_starting(indexes.open(SPEC))
    assert str(tmp_path) not in str(damaged.value)
    assert await indexes.list_specs() == [SPEC]


async def retried_while_starting(index: VectorIndex) -> None:
    while True:
        try:
            return await index.check()
        except IndexUnavailable as error:
            if "does not answer" not in str(error):
                raise
            await asyncio.sleep(0.01)


async def test_an_index_whose_creation_was_cut_off_is_created_anew(indexes: EdgeIndexes, tmp_path: Path) -> None:
    folder = tmp_path / "index" / index_name(SPEC)
    (folder / "shard" / "segments" / "half").mkdir(parents=True)
    assert await indexes.list_specs() == []
    assert await indexes.open(SPEC).count(ALICE) == 0
    assert await indexes.list_specs() == [SPEC]


async def test_no_secret_of_the_server_is_in_its_environment_nor_data_in_reach_of_others(
    indexes: EdgeIndexes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATKEEP_LLM_API_KEY", "sk-server")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    await indexes.open(SPEC).check()
    process = psutil.Process(indexes.pid)
    assert not {"sk-server", "sk-other"} & set(process.environ().values())
    assert process.cmdline()[1:] == ["-m", "chatkeep.index.edge_worker"]
    assert (tmp_path / "index").stat().st_mode & 0o077 == 0


_PARENT = """
import asyncio, sys
from pathlib import Path
from chatkeep.index.edge import EdgeIndexes
from chatkeep.index.port import IndexSpec

async def main():
    indexes = EdgeIndexes(Path(sys.argv[1]))
    await indexes.open(IndexSpec("m", 4)).check()
    print(indexes.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_server_killed_without_warning_leaves_no_orphan(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PARENT, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    child = psutil.Process(int(await parent.stdout.readline()))
    parent.kill()
    await parent.wait()
    await eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
