"""The server dies while it reads documents, again and again: each ends ready or failed with a reason, and nothing that
belongs to none is left.

A few rounds here; CHATKEEP_TEST_INGESTION_CRASHES=50 asks for as many as one likes.
"""

import os
import random
import sys
import threading
from pathlib import Path

import httpx
import pytest

from testbed.chatkeep_server import GENEROUS, running_server
from testbed.fork_server import Forked
from testbed.people import Person
from tests.journeys.documents import follow, upload

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("CHATKEEP_TEST_INGESTION_CRASHES", "3"))
ENVIRON = {**GENEROUS, "CHATKEEP_PAGE": "false", "CHATKEEP_LIMIT_UPLOAD": "10000/minute"}


class Uploader(threading.Thread):
    """Uploads one file after another, and deletes one now and then, until the server is gone."""

    def __init__(self, person: Person, chance: random.Random, kept: dict[str, bool]) -> None:
        super().__init__()
        self._person = person
        self._chance = chance
        # By id, those that were acknowledged and are to be there; whether they can be read.
        self._kept = kept

    def run(self) -> None:
        try:
            while True:
                readable = self._chance.random() < 0.8
                self._kept[self._upload(readable)] = readable
                if self._chance.random() < 0.3:
                    self._take_back(self._chance.choice(sorted(self._kept)))
        except httpx.HTTPError:
            return

    def _upload(self, readable: bool) -> str:
        words = self._chance.randbytes(8)
        text = f"Turnips {words.hex()} are dug up in October, when it is dry.\n\n" * self._chance.choice((1, 50, 2000))
        name, content = ("a.txt", text.encode()) if readable else ("a.bin", b"\x7fELF\0\0" + words)
        document_id: str = upload(self._person, name, content)["id"]
        return document_id

    def _take_back(self, document_id: str) -> None:
        # Before it is asked: the server may die in between, and then it is gone or not.
        del self._kept[document_id]
        assert self._person.http.delete(f"/documents/{document_id}").status_code == 204


@pytest.mark.timeout(60 + 30 * ROUNDS)
def test_kill_9_while_documents_are_read_leaves_none_between(tmp_path: Path) -> None:
    data_dir, kept = tmp_path / "data", dict[str, bool]()
    chance = random.Random(ROUNDS)  # noqa: S311 - it guards nothing
    ada: Person | None = None
    for _ in range(ROUNDS):
        with running_server(data_dir, ENVIRON) as server:
            ada = ada or Person(server.url, "ada").register()
            ada.http.base_url = server.url
            uploader = Uploader(ada, chance, kept)
            uploader.start()
            # Any moment will do, and each round has another.
            uploader.join(timeout=chance.uniform(0.1, 1.5))
            server.kill()
            uploader.join()
    assert ada is not None
    with running_server(data_dir, ENVIRON) as server:
        ada.http.base_url = server.url
        # Many rounds take longer than an access token lasts.
        ada.sign_in()
        ended = {document_id: follow(ada, document_id)[-1] for document_id in kept}
        found = ada.http.get("/documents", params={"limit": 100}).json()["items"]
    for document_id, readable in kept.items():
        if readable:
            assert ended[document_id]["type"] == "document.ready" or ended[document_id]["error"]["code"] == "gave_up"
        else:
            assert ended[document_id]["error"]["code"] == "unsupported_type"
    # Beside what was acknowledged there may be what the server died over; it has ended too.
    assert {each["status"] for each in found} <= {"ready", "failed"}
    states = [each["type"] for each in ended.values()]
    sys.stdout.write(f"\n{ROUNDS} crashes, documents: { ({state: states.count(state) for state in set(states)}) }\n")
    doctor = Forked(["doctor", "--data-dir", str(data_dir)], tmp_path, {**os.environ, **ENVIRON})
    with doctor.stdout as output:
        said = output.read()
    sys.stdout.write(said)
    assert doctor.wait(timeout=60) == 0, said
