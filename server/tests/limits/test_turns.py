"""Turns: nobody starves, nothing is given out twice, and no place is lost whoever leaves when."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatkeep.identity import OwnerId
from chatkeep.limits import turns
from chatkeep.limits.turns import NoTurn, Turns
from chatkeep.llm.testing import eventually

ALICE, BOB, CAROL = map(OwnerId, ("alice", "bob", "carol"))


class Line:
    """Answers that run until they are let go, and who was served in which order."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.served: list[str] = []
        self.running: dict[str, asyncio.Event] = {}
        self.positions: dict[str, list[int]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, owner: OwnerId, name: str, model: str = "", slots: int | None = None) -> None:
        told = self.positions[name] = []

        async def answer() -> None:
            async with self._turns.turn(owner, told.append, model, slots):
                self.served.append(name)
                ended = self.running[name] = asyncio.Event()
                await ended.wait()
                del self.running[name]

        self._tasks[name] = asyncio.create_task(answer())
        await settled()

    async def end(self, name: str) -> None:
        self.running[name].set()
        await settled()

    async def cancel(self, name: str) -> None:
        self._tasks[name].cancel()
        await settled()

    async def end_all(self) -> None:
        while self.running:
            for name in list(self.running):
                await self.end(name)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "TELL_SECONDS", 0.0)


async def test_one_who_asks_a_lot_does_not_starve_another() -> None:
    line = Line(Turns(1, 1))
    for n in range(50):
        await line.ask(ALICE, f"alice {n}")
    await line.ask(BOB, "bob 0")
    await line.ask(CAROL, "carol 0")
    await line.end_all()
    assert line.served[:5] == ["alice 0", "alice 1", "bob 0", "carol 0", "alice 2"]
    assert len(line.served) == 52


async def test_an_owner_has_so_many_places_and_no_more() -> None:
    line = Line(Turns(10, 2))
    for n in range(4):
        await line.ask(ALICE, f"alice {n}")
    await line.ask(BOB, "bob 0")
    assert line.served == ["alice 0", "alice 1", "bob 0"]
    await line.end("alice 0")
    assert line.served[3:] == ["alice 2"]


async def test_a_full_model_holds_up_nobody_who_asks_another() -> None:
    line = Line(Turns(10, 10))
    await line.ask(ALICE, "alice 0", "local", 1)
    await line.ask(ALICE, "alice 1", "local", 1)
    await line.ask(ALICE, "alice 2", "other")
    await line.ask(BOB, "bob 0")
    assert line.served == ["alice 0", "alice 2", "bob 0"]
    await line.end("alice 0")
    assert line.served[3:] == ["alice 1"]


async def test_whoever_waits_hears_where_and_hears_it_again_when_it_changes(soon: None) -> None:
    line = Line(Turns(1, 1))
    await line.ask(ALICE, "alice 0")
    await line.ask(ALICE, "alice 1")
    await line.ask(ALICE, "alice 2")
    await line.ask(BOB, "bob 0")
    assert line.positions["alice 0"] == []
    assert line.positions["bob 0"] == [2]
    await eventually(lambda: line.positions["alice 2"] == [2, 3])
    await line.end("alice 0")
    await eventually(lambda: line.positions["alice 2"] == [2, 3, 2])
    assert line.positions["bob 0"] == [2, 1]
    await line.cancel("bob 0")
    await line.end_all()
    assert line.served == ["alice 0", "alice 1", "alice 2"]


async def test_changes_are_told_once_however_many_there_were() -> None:
    line = Line(Turns(1, 1))
    await line.ask(ALICE, "running")
    for n in range(6):
        await line.ask(OwnerId(f"owner {n}"), f"{n}")
    for n in range(5):
        await line.cancel(f"{n}")
    assert line.positions["5"] == [6]


async def test_a_place_that_is_given_to_someone_who_leaves_goes_to_the_next() -> None:
    line = Line(Turns(1, 1))
    await line.ask(ALICE, "alice 0")
    await line.ask(BOB, "bob 0")
    await line.ask(CAROL, "carol 0")
    line.running["alice 0"].set()
    # In the same moment: the place has been given to bob, who has not run since.
    while "alice 0" in line.running:  # noqa: ASYNC110 (to the very step)
        await asyncio.sleep(0)
    await line.cancel("bob 0")
    assert line.served[-1] == "carol 0"
    await line.end("carol 0")
    await line.ask(BOB, "bob 1")
    assert line.served[-1] == "bob 1"


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask local", "end", "cancel"]),
        st.integers(0, 3),
        st.booleans(),
    ),
    max_size=40,
)


@given(OPERATIONS, st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_no_order_of_events_breaks_a_bound_or_loses_a_place(
    operations: list[tuple[str, int, bool]], in_all: int, per_owner: int
) -> None:
    async def play() -> None:
        turns, running, local, tasks = Turns(in_all, per_owner), Counter[int](), Counter[str](), []
        events: list[asyncio.Event] = []

        def answer(owner: int, model: str) -> Callable[[], None]:
            ended = asyncio.Event()
            events.append(ended)

            async def run() -> None:
                slots = 1 if model else None
                async with turns.turn(OwnerId(str(owner)), lambda _: None, model, slots):
                    running[owner] += 1
                    local[model] += 1
                    try:
                        assert running.total() <= in_all
                        assert running[owner] <= per_owner
                        assert local["local"] <= 1
                        await ended.wait()
                    finally:
                        running[owner] -= 1
                        local[model] -= 1

            tasks.append(asyncio.create_task(run()))
            return ended.set

        for what, which, pause in operations:
            if what.startswith("ask"):
                answer(which, what.removeprefix("ask").strip())
            elif tasks:
                n = which * 7 % len(tasks)
                events[n].set() if what == "end" else tasks[n].cancel()
            if pause:
                await settled()
        for ended in events:
            ended.set()
        results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
        assert all(result is None or isinstance(result, asyncio.CancelledError) for result in results)
        assert turns._running_in_all == 0
        assert not turns._running
        assert not turns._lines
        if turns._telling is not None:
            turns._telling.cancel()

    asyncio.run(play())


async def test_who_does_not_want_to_wait_any_longer_leaves_the_line_and_takes_nothing_along() -> None:
    turns = Turns(1, 1)
    async with turns.turn(ALICE):
        with pytest.raises(NoTurn):
            async with turns.turn(BOB, patience=0.001):
                pytest.fail("there was no place")
    async with turns.turn(CAROL, patience=0.001):
        pass
