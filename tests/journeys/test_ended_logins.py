"""A login that ends, ends everywhere: at the next request, on open streams and in running answers, at all instances."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from httpx_sse import ServerSentEvent, connect_sse

from testbed import fork_server
from testbed.chatkeep_server import GENEROUS, ServerProcess, running_server
from testbed.people import PASSWORD, Person

pytestmark = pytest.mark.slow

ENDLESS = "count to 100000 [[delay 5ms]]"


class Instances(NamedTuple):
    here: ServerProcess
    there: ServerProcess
    admin: Person


@pytest.fixture(scope="module", params=["postgres", "valkey"])
def instances(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two real servers over one PostgreSQL, that tell each other of revocations by it or by Valkey."""
    postgres = request.getfixturevalue("postgres")
    directory = tmp_path_factory.mktemp("instances")
    database = postgres.create_database()
    environ = {
        **GENEROUS,
        "CHATKEEP_DATABASE_URL": postgres.url(database),
        "CHATKEEP_PAGE": "false",
        "CHATKEEP_SECRET_KEY_FILE": str(directory / "keys.json"),
    }
    if request.param == "valkey":
        environ["CHATKEEP_VALKEY_URL"] = request.getfixturevalue("valkey").url
    with ExitStack() as stack:
        servers = [stack.enter_context(running_server(directory / name, environ)) for name in ("one", "two")]
        admin = Person(servers[0].url, "admin").register()
        yield Instances(servers[0], servers[1], admin)
    postgres.drop_database(database)


def at(server: ServerProcess, person: Person) -> Person:
    """The same login, at another instance."""
    there = Person(server.url, "same")
    there.email, there.user, there.refresh_token = person.email, person.user, person.refresh_token
    there.http.headers = person.http.headers
    return there


def another_login(person: Person) -> Person:
    """The same person on another device."""
    device = Person(str(person.http.base_url), "device")
    device.email, device.user = person.email, person.user
    return device.sign_in()


@contextmanager
def following(person: Person, generation_id: str) -> Iterator[Iterator[ServerSentEvent]]:
    with connect_sse(person.http, "GET", f"/chat/generations/{generation_id}/events") as source:
        assert source.response.status_code == 200
        yield source.iter_sse()


def last_of(events: Iterator[ServerSentEvent]) -> tuple[str, str]:
    """Type and reason of the last event; none but the stream's own end is without an id."""
    last = [(event.json(), event.id) for event in events][-1][0]
    return last["type"], last["reason"]


def logout(ending: Person, other: Person) -> None:
    assert ending.http.post("/auth/logout").status_code == 204


def change_password(ending: Person, other: Person) -> None:
    body = {"current_password": PASSWORD, "new_password": "walnuts hum under copper skies"}
    assert other.http.post("/auth/password", json=body).status_code == 204


def end_it_from_the_list_of_devices(ending: Person, other: Person) -> None:
    (sid,) = [item["sid"] for item in other.http.get("/auth/logins").json()["items"] if not item["current"]]
    assert other.http.delete(f"/auth/logins/{sid}").status_code == 204


@pytest.mark.parametrize("end", [logout, change_password, end_it_from_the_list_of_devices])
def test_a_login_that_ends_takes_its_streams_and_answers_with_it_at_the_other_instance(
    instances: Instances, end: Callable[[Person, Person], None]
) -> None:
    here, there, _ = instances
    alice = Person(here.url, "alice").register()
    other = another_login(alice)
    alice_there, other_there = at(there, alice), at(there, other)
    chat = alice_there.new_chat()
    with alice_there.sending(chat, ENDLESS) as stream:
        created, _ = (next(stream).json() for _ in range(2))
        with following(other_there, created["generation_id"]) as followed:
            next(followed)
            end(alice, other)
            assert last_of(stream) == ("stream.ended", "login_ended")
            assert last_of(followed) == ("generation.interrupted", "login_ended")
    assert alice_there.http.get("/auth/me").status_code == 401
    answer = other_there.messages(chat)[1]
    assert (answer["status"], answer["id"]) == ("interrupted", created["message_id"])
    assert answer["content"].startswith("1")


def test_a_stream_goes_on_when_another_login_of_the_user_ends(instances: Instances) -> None:
    here, there, _ = instances
    alice = Person(here.url, "alice").register()
    other = another_login(alice)
    alice_there, other_there = at(there, alice), at(there, other)
    accepted = alice_there.start(alice_there.new_chat(), ENDLESS)
    with (
        following(alice_there, accepted["generation_id"]) as kept,
        following(other_there, accepted["generation_id"]) as ended,
    ):
        next(ended)
        logout(other, alice)
        assert last_of(ended) == ("stream.ended", "login_ended")
        assert next(kept).json()["seq"] == 1
        assert next(kept).json()["type"] == "message.delta"
        assert alice_there.http.post(f"/chat/generations/{accepted['generation_id']}/stop").status_code == 202


def test_logout_everywhere_ends_every_stream_and_answer_of_the_user_and_nobody_elses(
    instances: Instances,
) -> None:
    here, there, _ = instances
    alice, bob = Person(here.url, "alice").register(), Person(there.url, "bob").register()
    other = another_login(alice)
    chat = alice.new_chat()
    accepted = alice.start(chat, ENDLESS)
    alice_there, other_there = at(there, alice), at(there, other)
    chat_there = other_there.new_chat()
    with (
        following(alice, accepted["generation_id"]) as one,
        other_there.sending(chat_there, ENDLESS) as two,
        bob.sending(bob.new_chat(), ENDLESS) as bobs,
    ):
        next(one), next(two), next(bobs)
        assert alice_there.http.post("/auth/logout-all").status_code == 204
        assert last_of(one) == last_of(two) == ("stream.ended", "login_ended")
        assert next(bobs).json()["type"] == "message.delta"
        bob.http.post("/auth/logout")
    assert [person.http.get("/auth/me").status_code for person in (alice, other, alice_there, other_there)] == [401] * 4
    alice.sign_in()
    assert [alice.messages(chat)[1]["status"], alice.messages(chat_there)[1]["status"]] == ["interrupted"] * 2


def disable(admin: Person, user_id: str) -> None:
    assert admin.http.patch(f"/admin/users/{user_id}", json={"disabled": True}).status_code == 200


def promote(admin: Person, user_id: str) -> None:
    assert admin.http.patch(f"/admin/users/{user_id}", json={"role": "admin"}).status_code == 200


def revoke(admin: Person, user_id: str) -> None:
    assert admin.http.post(f"/admin/users/{user_id}/revoke").status_code == 204


def delete(admin: Person, user_id: str) -> None:
    assert admin.http.delete(f"/admin/users/{user_id}").status_code == 204


@pytest.mark.parametrize("end", [disable, promote, revoke, delete])
def test_what_an_administrator_does_to_a_user_ends_their_streams_and_answers_at_the_other_instance(
    instances: Instances, end: Callable[[Person, str], None]
) -> None:
    here, there, admin = instances
    mallory = Person(there.url, "mallory").register()
    bystander = Person(there.url, "bystander").register()
    with (
        mallory.sending(mallory.new_chat(), ENDLESS) as stream,
        bystander.sending(bystander.new_chat(), ENDLESS) as others,
    ):
        generation_id = next(stream).json()["generation_id"]
        next(others)
        end(admin.sign_in(), mallory.user["id"])
        assert last_of(stream) == ("stream.ended", "login_ended")
        assert next(others).json()["type"] == "message.delta"
        logout(bystander, admin)
    assert mallory.http.get(f"/chat/generations/{generation_id}/events").status_code == 401
    assert at(here, mallory).http.get("/auth/me").status_code == 401


@pytest.mark.parametrize("command", ["revoke", "disable"])
def test_what_the_operator_does_beside_the_server_ends_streams_and_answers(tmp_path: Path, command: str) -> None:
    """On SQLite, where nobody tells the server: it has to see for itself that the file has changed."""
    data_dir = tmp_path / "data"
    with running_server(data_dir, {**GENEROUS, "CHATKEEP_PAGE": "false"}) as server:
        Person(server.url, "admin").register()
        mallory = Person(server.url, "mallory").register()
        with mallory.sending(mallory.new_chat(), ENDLESS) as stream:
            next(stream)
            order = ["users", command, mallory.email, "--data-dir", str(data_dir)]
            fork_server.run(order, tmp_path, os.environ).check_returncode()
            assert last_of(stream) == ("stream.ended", "login_ended")
        assert mallory.http.get("/auth/me").status_code == 401
