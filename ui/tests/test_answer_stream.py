"""Following an answer, through whatever breaks on the way."""

from collections.abc import Iterator
from itertools import pairwise
from uuid import uuid4

import pytest

from chatkeep_ui.answer_stream import Answer, follow
from chatkeep_ui.api_client import ApiClient
from chatkeep_ui.api_connection import ApiConnection
from chatkeep_ui.chat_records import Started
from chatkeep_ui.problem import NotThere, SignInEnded
from chatkeep_ui.vault import SignIn
from ui.tests.site import Site

TEXT = "one two three four five six seven eight nine ten"


def every() -> float:
    return 0.005


@pytest.fixture
def client(site: Site) -> Iterator[ApiClient]:
    site.api.answer, site.api.pace = TEXT, 0.001
    site.signed_in()
    token = next(iter(site.api.access))
    with ApiConnection(site.url, {}) as connection:
        yield ApiClient(connection, SignIn(token, 0.0, 0.0, ()))


def ask(client: ApiClient) -> Started:
    return client.send(client.create_session(None).id, "count", None, None, str(uuid4()))


def test_the_text_only_grows(client: ApiClient) -> None:
    answers = list(follow(lambda: client, ask(client).generation_id, every))

    assert all(after.text.startswith(before.text) for before, after in pairwise(answers))
    assert answers[-1] == Answer(TEXT + " ", "completed")


@pytest.mark.parametrize("frames", [1, 3])
def test_a_stream_that_breaks_off_is_resumed_without_loss_or_repeat(client: ApiClient, site: Site, frames: int) -> None:
    site.api.frames_per_response = frames

    assert list(follow(lambda: client, ask(client).generation_id, every))[-1] == Answer(TEXT + " ", "completed")


def test_how_it_failed_is_told(client: ApiClient, site: Site) -> None:
    site.api.ending = "generation.failed"
    last = list(follow(lambda: client, ask(client).generation_id, every))[-1]

    assert (last.status, last.error) == ("failed", "The model service closed the connection.")


def test_events_that_are_gone_end_it_without_an_ending(client: ApiClient, site: Site) -> None:
    site.api.log_gone = True

    assert list(follow(lambda: client, ask(client).generation_id, every))[-1].status == "running"


def test_somebody_elses_answer_is_not_there(client: ApiClient) -> None:
    with pytest.raises(NotThere):
        list(follow(lambda: client, str(uuid4()), every))


def test_a_refused_token_is_for_the_page_to_renew(client: ApiClient, site: Site) -> None:
    generation = ask(client).generation_id
    site.api.access.clear()
    with pytest.raises(SignInEnded):
        list(follow(lambda: client, generation, every))


def test_a_sign_in_that_ends_in_the_middle_is_not_followed_up_for_ever(client: ApiClient, site: Site) -> None:
    site.api.frames_per_response = 2
    answers = follow(lambda: client, ask(client).generation_id, every)
    next(answers)
    site.api.access.clear()
    with pytest.raises(SignInEnded):
        list(answers)


@pytest.mark.parametrize("kind", ["heartbeat", "usage", "stream.ended", "of.the.future"])
def test_unknown_events_change_nothing(kind: str) -> None:
    assert Answer("text").after(kind, {"text": "x"}) == Answer("text")


def test_a_snapshot_replaces_and_a_place_in_the_queue_is_kept() -> None:
    assert Answer("te").after("message.snapshot", {"text": "text so far"}).text == "text so far"
    assert Answer().after("generation.queued", {"position": 3}) == Answer(status="queued", position=3)
