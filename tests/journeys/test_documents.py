"""Documents through a whole server: killed, stopped, and asked by people whose rights have just ended."""

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from testbed.chatkeep_server import GENEROUS, running_server
from testbed.people import Person
from tests.journeys.documents import follow, upload

ENVIRON = {**GENEROUS, "CHATKEEP_PAGE": "false"}
# Long enough to be still on its way when the server is killed.
LONG = b"".join(b"Line %d says that turnips are dug up in October, when it is dry.\n\n" % n for n in range(20_000))


def test_a_killed_server_goes_on_and_a_stopped_one_lets_go(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with running_server(data_dir, ENVIRON) as server:
        ada = Person(server.url, "ada").register()
        document = upload(ada, "long.txt", LONG)
        server.kill()
    with running_server(data_dir, ENVIRON) as server:
        ada.http.base_url = server.url
        # With who follows, a server that is told to stop has to stop all the same.
        followed = threading.Thread(target=lambda: events.extend(follow(ada, document["id"])))
        events: list[dict[str, Any]] = []
        followed.start()
        assert server.stop() == -signal.SIGTERM
        followed.join()
    assert {event["type"] for event in events} <= {"document.progress", "document.ready"}
    with running_server(data_dir, ENVIRON) as server:
        ada.http.base_url = server.url
        last = follow(ada, document["id"])[-1]
        assert (last["type"], last["done"], last["error"]) == ("document.ready", last["total"], None)
        found = ada.http.get("/documents").json()["items"]
        assert [each["status"] for each in found] == ["ready"]


def test_whoever_is_removed_finds_nothing_from_then_on(person: Callable[[str], Person]) -> None:
    ada, ben = person("ada"), person("ben")
    collection = ada.http.post("/collections", json={"name": "plans"}).json()["id"]
    document = upload(ada, "plan.txt", b"Turnips in October.", collection_id=collection)["id"]
    assert follow(ada, document)[-1]["type"] == "document.ready"
    assert ben.http.get(f"/documents/{document}/chunks/1").status_code == 404
    assert ada.http.post(f"/collections/{collection}/members", json={"email": ben.email}).status_code == 202
    assert ben.http.get(f"/documents/{document}/chunks/1").json()["text"] == "Turnips in October."
    assert ben.http.delete(f"/documents/{document}").status_code == 403
    assert ben.http.delete(f"/collections/{collection}/members/{ben.user['id']}").status_code == 204
    for path in (f"/documents/{document}", f"/documents/{document}/content", f"/collections/{collection}"):
        assert ben.http.get(path).status_code == 404
    assert ben.http.get("/documents").json()["items"] == []
