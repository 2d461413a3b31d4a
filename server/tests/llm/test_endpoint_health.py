"""How long an endpoint that fails is put aside, by a clock that the test turns."""

import pytest

from chatkeep.llm.endpoint_health import EndpointHealth
from chatkeep.llm.model import ModelRateLimited, ModelRefused, ModelTimeout, ModelUnavailable
from chatkeep.llm.tries import Tries


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_is_aside_longer_each_time_and_probed_in_between() -> None:
    clock = Clock()
    health = EndpointHealth(clock)
    pauses = []
    for _ in range(9):
        health.failed(ModelUnavailable("away"))
        assert not health.healthy
        began = clock.now
        while not health.probe_due:
            clock.now += 1
        pauses.append(clock.now - began)
        health.came_back()
        assert health.healthy
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    health.answered()
    health.failed(ModelTimeout("silent"))
    assert not health.probe_due
    clock.now += 5
    assert health.probe_due


def test_one_that_says_when_is_believed_up_to_a_bound() -> None:
    clock = Clock()
    health = EndpointHealth(clock)
    health.failed(ModelRateLimited("later", 2.0))
    clock.now = 2.0
    assert health.probe_due
    health.failed(ModelRateLimited("tomorrow", 86_400.0))
    clock.now += 300.0
    assert health.probe_due


def test_a_refusal_is_no_sign_of_illness() -> None:
    health = EndpointHealth(Clock())
    health.failed(ModelRefused("no such model"))
    assert health.healthy


async def test_who_is_told_to_come_back_much_later_is_not_kept_waiting() -> None:
    tries = Tries(["one"], first_pause=0.0)
    with pytest.raises(ModelRateLimited):
        await tries.failed(ModelRateLimited("later", 60.0))


async def test_all_places_have_their_turn_before_any_is_asked_again() -> None:
    tries = Tries(["one", "two"], first_pause=0.0)
    asked = []
    for _ in range(5):
        asked.append(tries.place)
        await tries.failed(ModelUnavailable("away"))
    assert [*asked, tries.place] == ["one", "two"] * 3
    with pytest.raises(ModelUnavailable):
        await tries.failed(ModelUnavailable("away"))
