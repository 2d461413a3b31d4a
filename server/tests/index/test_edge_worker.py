"""The worker within this process: what it says when the engine or the disk fails, and what it does last."""

import errno
import os
from pathlib import Path

import msgspec
import pytest

from chatkeep.index.edge_shard import EdgeShard
from chatkeep.index.edge_shelf import Shelf
from chatkeep.index.edge_wire import Count, Put, PutPoint, Reply, Request, Scroll, Search
from chatkeep.index.edge_worker import Inbox, Worker, reason
from chatkeep.index.port import TenantId
from chatkeep.index.scope import scope
from chatkeep.processes.frames import frame
from server.tests.index.conftest import SPEC

ALICE = TenantId("u:alice")
PUT = Request(1, SPEC, Put(ALICE, [PutPoint("secret-document", 1, "secret text", None)]))


def served(directory: Path, *requests: Request) -> list[Reply]:
    """All that a worker replies to these, which are all that it is ever asked."""
    replies: list[Reply] = []
    reading, writing = os.pipe()
    os.write(writing, b"".join(map(frame, requests)))
    os.close(writing)
    shelf = Shelf(directory)
    try:
        Worker(shelf, replies.append).serve(Inbox(reading))
    finally:
        os.close(reading)
        shelf.close()
        shelf._lock.close()
    return replies


def test_what_was_asked_before_the_end_is_done(tmp_path: Path) -> None:
    assert served(tmp_path, PUT) == [Reply(1, None)]
    (counted,) = served(tmp_path, Request(2, SPEC, Count(scope(ALICE))))
    assert msgspec.msgpack.decode(counted.value) == 1


def test_who_looks_does_not_wait_for_who_writes(tmp_path: Path) -> None:
    search = Request(2, SPEC, Search(scope(ALICE), "secret", None, 9))
    assert [reply.id for reply in served(tmp_path, PUT, search)] == [2, 1]


def test_what_did_not_reach_the_disk_is_not_acknowledged_and_the_process_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replies: list[Reply] = []

    def full(self: EdgeShard) -> None:
        raise OSError(errno.ENOSPC, "secret path")

    monkeypatch.setattr(EdgeShard, "flush", full)
    shelf = Shelf(tmp_path)
    with shelf._lock, pytest.raises(OSError, match="secret"):
        Worker(shelf, replies.append)._update([PUT])
    assert replies == [Reply(1, "No space left on device")]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            Exception("Service runtime error: /secret/path: No space left on device (os error 28)"),
            "No space left on device",
        ),
        (PermissionError(errno.EACCES, "secret"), "Permission denied"),
        (Exception("Wrong input: secret text"), "the engine refused it"),
        (ValueError("secret"), "the engine refused it"),
    ],
)
def test_an_error_is_told_without_paths_and_texts(error: Exception, told: str) -> None:
    assert reason(error) == told


def test_a_request_that_the_engine_refuses_stops_no_other(tmp_path: Path) -> None:
    nonsense = Request(2, SPEC, Scroll("no id of a point", 9, weights=False))
    nameless = Request(3, None, Count(scope(ALICE)))
    replies = served(tmp_path, nonsense, nameless, PUT)
    assert [(reply.id, reply.error) for reply in replies] == [
        (2, "the engine refused it"),
        (3, "the engine refused it"),
        (1, None),
    ]


def test_more_than_is_taken_at_once_is_served_too(tmp_path: Path) -> None:
    asked = [Request(n, SPEC, Count(scope(ALICE))) for n in range(1, 201)]
    assert [reply.id for reply in served(tmp_path, *asked)] == list(range(1, 201))
