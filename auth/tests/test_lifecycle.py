"""Any order of sign-ins, refreshes, revocations and hours, on two instances over one store.

The model beside them knows three things: which refresh token of a login is the current one, which access tokens were
minted, and what has been revoked. The instances are asked over HTTP, as clients would.
"""

import asyncio
import shutil
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from sqlalchemy.ext.asyncio import create_async_engine

from authkeep import AuthSettings, Role, SigningKeys
from authkeep.sql import SqlStore, migrate
from authkeep.store import Store
from authkeep.testing import FrozenClock, MemoryStore, signed_in

T = TypeVar("T")
PASSWORDS = ("seven purple kettles sing", "nine patient herons wait")
GRACE, GRACE_USES = 10.0, 30
IDLE, LIFETIME = timedelta(days=14), timedelta(days=90)
# Longer than any instance takes to hear of a revocation. How long it does take is measured in bench/revocation.
PATIENCE_SECONDS = 20


@dataclass
class Person:
    email: str
    id: str
    password: str = PASSWORDS[0]
    disabled: bool = False


@dataclass
class RefreshToken:
    text: str
    rotated_at: float | None = None
    uses: int = 0


@dataclass
class Lineage:
    """A login, as the model knows it; `tokens` from the first to the current one."""

    person: Person
    tokens: list[RefreshToken]
    opened_at: float
    used_at: float
    live: bool = True


@dataclass
class Access:
    text: str
    lineage: Lineage
    expires_at: float


@dataclass
class World:
    """Two instances, as clients see them.

    `administrator` signs one in and gives the headers of their requests. `clock` is what both instances go by, where it
    can be told. `mishap` is something that breaks between the two, and after which no promise is less.
    """

    clients: list[httpx.AsyncClient]
    administrator: Callable[[], Coroutine[Any, Any, dict[str, str]]]
    clock: FrozenClock | None = None
    mishap: Callable[[], Coroutine[Any, Any, None]] | None = None
    domain: str = "example.com"


Opened = Callable[[AsyncExitStack], Coroutine[Any, Any, World]]


class Lifecycle(RuleBasedStateMachine):
    def __init__(self, open_world: Opened) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.world = self.run(open_world(self.stack))
        self.people: list[Person] = []
        self.logins: list[Lineage] = []
        self.access: list[Access] = []

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @property
    def now(self) -> float:
        return self.world.clock.seconds() if self.world.clock else time.time()

    def post(self, at: int, path: str, headers: dict[str, str] | None = None, **body: str) -> httpx.Response:
        return self.run(self.world.clients[at].post(path, json=body, headers=headers))

    # What people do

    @precondition(lambda self: len(self.people) < 3)
    @rule(at=st.integers(0, 1))
    def register(self, at: int) -> None:
        email = f"person{len(self.people)}@{self.world.domain}"
        answer = self.post(at, "/auth/register", email=email, password=PASSWORDS[0])
        assert answer.status_code == 201
        self.people.append(Person(email, answer.json()["id"]))

    @precondition(lambda self: self.people)
    @rule(at=st.integers(0, 1), who=st.integers(0, 2))
    def sign_in(self, at: int, who: int) -> None:
        person = self.people[who % len(self.people)]
        answer = self.post(at, "/auth/login", email=person.email, password=person.password)
        assert answer.status_code == (401 if person.disabled else 200)
        if not person.disabled:
            lineage = Lineage(person, [RefreshToken(answer.json()["refresh_token"])], self.now, self.now)
            self.logins.append(lineage)
            self.minted(answer, lineage)

    @precondition(lambda self: self.people)
    @rule(at=st.integers(0, 1), who=st.integers(0, 2))
    def sign_in_with_a_password_of_the_past(self, at: int, who: int) -> None:
        person = self.people[who % len(self.people)]
        other = next(password for password in PASSWORDS if password != person.password)
        assert self.post(at, "/auth/login", email=person.email, password=other).status_code == 401

    @precondition(lambda self: self.logins)
    @rule(at=st.integers(0, 1), which=st.integers(0, 9), back=st.integers(0, 3))
    def refresh(self, at: int, which: int, back: int) -> None:
        """With the current token, or with one from before."""
        lineage = self.logins[which % len(self.logins)]
        presented = lineage.tokens[max(0, len(lineage.tokens) - 1 - back)]
        expected = self.expected(lineage, presented)
        answer = self.post(at, "/auth/refresh", refresh_token=presented.text)
        assert answer.status_code == {"theft": 401, "ended": 401, "too often": 429}.get(expected, 200), expected
        if expected == "theft":
            self.ended(lineage)
        elif answer.status_code == 200:
            self.rotated(lineage, presented, answer)

    @precondition(lambda self: any(map(self.is_live, self.logins)))
    @rule(which=st.integers(0, 9))
    def two_tabs_refresh_at_once(self, which: int) -> None:
        """Harmless, whichever of them comes first."""
        live = [lineage for lineage in self.logins if self.is_live(lineage)]
        lineage = live[which % len(live)]
        token = lineage.tokens[-1]

        async def both() -> list[httpx.Response]:
            body = {"refresh_token": token.text}
            return await asyncio.gather(*(client.post("/auth/refresh", json=body) for client in self.world.clients))

        first, second = self.run(both())
        assert first.status_code == second.status_code == 200
        assert first.json()["refresh_token"] == second.json()["refresh_token"]
        self.rotated(lineage, token, first)
        self.rotated(lineage, token, second)

    # What revokes

    @precondition(lambda self: self.access)
    @rule(at=st.integers(0, 1), which=st.integers(0, 99), everywhere=st.booleans())
    def sign_out(self, at: int, which: int, everywhere: bool) -> None:
        access = self.access[which % len(self.access)]
        accepted = self.is_accepted(access)
        answer = self.post(at, "/auth/logout-all" if everywhere else "/auth/logout", bearer(access.text))
        assert answer.status_code == (204 if accepted else 401)
        if accepted:
            person = access.lineage.person
            self.ended(*(self.of(person) if everywhere else [access.lineage]))

    @precondition(lambda self: self.access)
    @rule(at=st.integers(0, 1), which=st.integers(0, 99))
    def change_the_password(self, at: int, which: int) -> None:
        access = self.access[which % len(self.access)]
        accepted, person = self.is_accepted(access), access.lineage.person
        new = next(password for password in PASSWORDS if password != person.password)
        body = {"current_password": person.password, "new_password": new}
        answer = self.post(at, "/auth/password", bearer(access.text), **body)
        assert answer.status_code == (204 if accepted else 401)
        if accepted:
            person.password = new
            self.ended(*(lineage for lineage in self.of(person) if lineage is not access.lineage))

    @precondition(lambda self: self.people)
    @rule(at=st.integers(0, 1), who=st.integers(0, 2), disabled=st.booleans())
    def disable_or_enable(self, at: int, who: int, disabled: bool) -> None:
        person = self.people[who % len(self.people)]
        self.administer(at, person, {"disabled": disabled})
        if disabled and not person.disabled:
            self.ended(*self.of(person))
        person.disabled = disabled

    @precondition(lambda self: self.people)
    @rule(at=st.integers(0, 1), who=st.integers(0, 2))
    def change_the_role_and_back(self, at: int, who: int) -> None:
        person = self.people[who % len(self.people)]
        for role in (Role.ADMIN, Role.USER):
            self.administer(at, person, {"role": role.value})
        self.ended(*self.of(person))

    def administer(self, at: int, person: Person, change: dict[str, Any]) -> None:
        path = f"/admin/users/{person.id}"
        # Signed in just now: time makes an administrator's sign-in too old for what they do here.
        headers = self.run(self.world.administrator())
        answer = self.run(self.world.clients[at].patch(path, json=change, headers=headers))
        assert answer.status_code == 200, answer.text

    # What nobody does

    @precondition(lambda self: self.world.mishap)
    @rule()
    def break_something(self) -> None:
        assert self.world.mishap is not None
        self.run(self.world.mishap())

    @precondition(lambda self: self.world.clock)
    @rule(seconds=st.sampled_from([1, 9, 11, 61, 290, 301]))
    def time_passes(self, seconds: int) -> None:
        self.pass_time(timedelta(seconds=seconds))

    @precondition(lambda self: self.world.clock)
    @rule(days=st.sampled_from([1, 13, 15]))
    def days_pass(self, days: int) -> None:
        self.pass_time(timedelta(days=days))

    def pass_time(self, by: timedelta) -> None:
        assert self.world.clock is not None
        self.world.clock.advance(by)

    # What must hold

    @precondition(lambda self: self.access)
    @rule(at=st.integers(0, 1), which=st.integers(0, 99))
    def look(self, at: int, which: int) -> None:
        access = self.access[which % len(self.access)]
        answer = self.run(self.world.clients[at].get("/auth/me", headers=bearer(access.text)))
        assert answer.status_code == (200 if self.is_accepted(access) else 401)

    def expected(self, lineage: Lineage, presented: RefreshToken) -> str:
        if not self.is_live(lineage):
            return "ended"
        if presented is lineage.tokens[-1]:
            return "rotated"
        if presented.rotated_at is None or self.now - presented.rotated_at > GRACE:
            return "theft"
        return "too often" if presented.uses >= GRACE_USES else "the same again"

    def rotated(self, lineage: Lineage, presented: RefreshToken, answer: httpx.Response) -> None:
        successor = answer.json()["refresh_token"]
        if presented is lineage.tokens[-1]:
            assert successor not in [token.text for token in lineage.tokens]
            presented.rotated_at, lineage.used_at = self.now, self.now
            lineage.tokens.append(RefreshToken(successor))
        else:
            presented.uses += 1
            assert successor == lineage.tokens[-1].text, "a login has one current refresh token"
        self.minted(answer, lineage)

    def minted(self, answer: httpx.Response, lineage: Lineage) -> None:
        assert self.is_live(lineage), "nothing is minted for a login that has ended"
        body = answer.json()
        self.access.append(Access(body["access_token"], lineage, int(self.now) + body["expires_in"]))

    def ended(self, *lineages: Lineage) -> None:
        for lineage in lineages:
            lineage.live = False
        self.refused_everywhere([access for access in self.access if access.lineage in lineages])

    def refused_everywhere(self, dead: list[Access]) -> None:
        """Here at once, there after a moment; and from then on for ever, which `look` goes on asking."""
        self.access = [access for access in self.access if access not in dead]
        self.run(asyncio.wait_for(self.until_refused(dead), PATIENCE_SECONDS))
        self.access += [replace(access, expires_at=0.0) for access in dead]

    async def until_refused(self, dead: list[Access]) -> None:
        for client in self.world.clients:
            for access in dead:
                while (await client.get("/auth/me", headers=bearer(access.text))).status_code != 401:  # noqa: ASYNC110
                    await asyncio.sleep(0.002)

    def is_live(self, lineage: Lineage) -> bool:
        idle = self.now >= lineage.used_at + IDLE.total_seconds()
        return lineage.live and not idle and self.now < lineage.opened_at + LIFETIME.total_seconds()

    def is_accepted(self, access: Access) -> bool:
        return access.lineage.live and self.now < access.expires_at

    def of(self, person: Person) -> list[Lineage]:
        return [lineage for lineage in self.logins if lineage.person is person]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def opened(make: Any, browse: Any, keys: SigningKeys, lenient: Any) -> Callable[[Callable[..., Any]], Opened]:
    def on(new_store: Callable[[AsyncExitStack], Coroutine[Any, Any, Store]]) -> Opened:
        async def open_world(stack: AsyncExitStack) -> World:
            clock = FrozenClock()
            store = await new_store(stack)
            rules = AuthSettings(issuer="https://chat.example", audience="chat")
            auths = [make(store, clock, rules, keys, throttle=lenient) for _ in range(2)]
            clients = []
            for auth in auths:
                await stack.enter_async_context(auth.running())
                clients.append(await stack.enter_async_context(browse(auth)))

            async def administrator() -> dict[str, str]:
                return (await signed_in(auths[0], "root@example.com", role=Role.ADMIN)).headers

            await administrator()
            return World(clients, administrator, clock)

        return open_world

    return on


def explore(open_world: Opened, examples: int, steps: int = 30) -> None:
    # Without shrinking: each example starts two instances, and a failure prints its steps as it is. Known schedules,
    # so that a run is worth the same everywhere; `derandomize=False` and more examples look for others.
    thorough = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    run_state_machine_as_test(lambda: Lifecycle(open_world), settings=thorough)  # type: ignore[arg-type]


def test_no_order_of_events_breaks_a_promise_in_memory(opened: Any) -> None:
    async def new_store(_: AsyncExitStack) -> Store:
        return MemoryStore()

    explore(opened(new_store), examples=20)


@pytest.fixture
def empty_sqlite(tmp_path: Path) -> Path:
    path = tmp_path / "empty.db"

    async def make_it() -> None:
        engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
        await migrate(engine)
        await engine.dispose()

    asyncio.run(make_it())
    return path


def test_no_order_of_events_breaks_a_promise_on_sqlite(opened: Any, empty_sqlite: Path) -> None:
    numbers: Iterator[int] = iter(range(1_000_000))

    async def new_store(stack: AsyncExitStack) -> Store:
        path = shutil.copy(empty_sqlite, empty_sqlite.with_name(f"{next(numbers)}.db"))
        engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
        stack.push_async_callback(engine.dispose)
        return SqlStore(engine)

    explore(opened(new_store), examples=5)


def test_no_order_of_events_breaks_a_promise_on_postgresql(opened: Any, empty: Any, migrated_postgres_url: str) -> None:
    async def new_store(stack: AsyncExitStack) -> Store:
        engine = create_async_engine(migrated_postgres_url)
        stack.push_async_callback(engine.dispose)
        await migrate(engine)
        await empty(engine)
        return SqlStore(engine)

    explore(opened(new_store), examples=5)
