"""The matrix itself: every operation x every caller, and the same again with one guard missing."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from fastapi import FastAPI
from starlette.requests import HTTPConnection

from authkeep.auth import Auth
from authkeep.http.identity import identity_of
from authkeep.http.policies import OwnerOf, Policy, Public
from authkeep.http.route_walk import refuse_undeclared
from authkeep.matrix.asgi import Answer, AsgiClient
from authkeep.matrix.callers import Caller, Callers
from authkeep.matrix.operations import Operation, operations_of
from authkeep.matrix.sample import Parameters, Sample
from authkeep.matrix.verdicts import Verdict, expected, verdict_of
from authkeep.principal import Principal

# Not JSON, not UTF-8, deeper than a parser goes, another type than any route wants.
_RUBBISH = (None, b"{", b"\xff", b"[" * 20_000, b"7")


class AuthzHost(Protocol):
    """An application that runs: its lifespan has been entered.

    Attributes:
        declare: as for `refuse_undeclared`.
    """

    app: FastAPI
    auth: Auth
    declare: Mapping[str, Policy]

    async def sample(self) -> Sample:
        """A new victim with new objects each time: some calls get through and delete them."""
        ...


class MatrixFailed(AssertionError):
    """What did not happen as declared, a line each."""


class Matrix:
    """All operations of one host."""

    def __init__(self, host: AuthzHost) -> None:
        self._host = host
        self._client = AsgiClient(host.app)
        self._callers = Callers(host.auth)
        self._sample: Sample | None = None
        self.operations = list(operations_of(refuse_undeclared(host.app, declare=host.declare)))

    async def check(self, *, operations: int) -> None:
        """Call every operation as everybody.

        Args:
            operations: how many there are. Say it: a walk that finds fewer has checked fewer, and would pass.

        Raises:
            MatrixFailed: somebody got further than the policies say, or not as far; another user's object and one
                that never was are told apart; or there are not as many operations.
        """
        if len(self.operations) != operations:
            listed = "\n".join(map(str, self.operations))
            raise MatrixFailed(f"there are {len(self.operations)} operations, not {operations}:\n{listed}")
        _raise_if_any([found for operation in self.operations for found in await self._deviations(operation)])

    async def check_strangers(self) -> None:
        """Send rubbish to every operation that is not public, as nobody: 401 comes before whatever is wrong with it.

        Raises:
            MatrixFailed: somebody who has not signed in was told something else.
        """
        guarded = [it for it in self.operations if not all(isinstance(policy, Public) for policy in it.policies)]
        names = (await self._unharmed_sample()).parameters
        found = []
        for operation in guarded:
            for url, body in itertools.product(_rubbish_urls(operation, names), _RUBBISH):
                answer = await self._client.call(operation.method, url, None, body)
                if verdict_of(answer) is not Verdict.UNAUTHENTICATED:
                    found.append(f"{operation}, called by nobody with {body!r}: {answer.status} ({answer.content})")
        _raise_if_any(found)

    async def check_mutants(self) -> None:
        """Remove each guard of each operation in turn, and look whether `check` would have told.

        Raises:
            MatrixFailed: guards whose absence nobody would have noticed.
        """
        guards = [(operation, policy) for operation in self.operations for policy in operation.policies]
        _raise_if_any(
            [
                f"{operation}: nobody would miss {policy.describe()}"
                for operation, policy in guards
                if not isinstance(policy, Public) and not await self._is_missed(operation, policy)
            ]
        )

    async def _is_missed(self, operation: Operation, policy: Policy) -> bool:
        sample = await self._unharmed_sample()
        with _without(policy, sample.owner.principal):
            return bool(await self._deviations(operation, first_only=True))

    async def _unharmed_sample(self) -> Sample:
        if self._sample is None:
            self._sample = await self._host.sample()
        return self._sample

    async def _deviations(self, operation: Operation, *, first_only: bool = False) -> list[str]:
        sample = await self._unharmed_sample()
        found: list[str] = []
        for caller in _callers_of(operation):
            words = await self._deviation(operation, caller, sample)
            if words is not None:
                found.append(f"{operation}, called by {caller}: {words}")
                if first_only:
                    break
        return found

    async def _deviation(self, operation: Operation, caller: Caller, sample: Sample) -> str | None:
        answer = await self._call(operation, caller, sample, sample.parameters)
        verdict, allowed = verdict_of(answer), expected(caller, operation)
        if verdict is Verdict.PASSES and operation.method not in ("GET", "WEBSOCKET"):
            # Whoever got through may have changed anything about themselves and the victim.
            self._callers.forget(caller)
            self._sample = None
        if verdict not in allowed:
            return f"{verdict} and not {' or '.join(sorted(allowed))} ({answer.status}, {answer.content})"
        if verdict is Verdict.NOT_THERE and allowed == {Verdict.NOT_THERE}:
            nothing = await self._call(operation, caller, sample, sample.unknown)
            if nothing != answer:
                return f"what is somebody else's can be told from what is not there: {answer}, {nothing}"
        return None

    async def _call(self, operation: Operation, caller: Caller, sample: Sample, parameters: Parameters) -> Answer:
        is_owner = caller is Caller.OWNER
        token = sample.owner.access_token if is_owner else await self._callers.token(caller, operation.scopes)
        body = sample.bodies.get(str(operation))
        content = body(parameters) if body is not None else None
        return await self._client.call(operation.method, operation.url(parameters), token, content)


def _rubbish_urls(operation: Operation, names: Iterable[str]) -> Iterator[str]:
    for value in ("%00", "x" * 5000):
        yield operation.url(dict.fromkeys(names, value)) + "?limit=x&cursor=%00&since=x"


def _callers_of(operation: Operation) -> Iterator[Caller]:
    is_owned = any(isinstance(policy, OwnerOf) for policy in operation.policies)
    for caller in Caller:
        if (caller is Caller.KEY and not operation.scopes) or (caller is Caller.OWNER and not is_owned):
            continue
        yield caller


def _raise_if_any(lines: list[str]) -> None:
    if lines:
        raise MatrixFailed("\n".join(lines))


@contextmanager
def _without(removed: Policy, victim: Principal) -> Iterator[None]:
    """Nobody is held up by `removed`, nor by what it implies; without a check of owners, everybody is the victim.

    Replaced where all policies are called, so that it does not matter whether FastAPI, a decorator or an application
    around an application does it. One matrix at a time, as tests run.
    """
    original = Policy.__call__

    async def lenient(policy: Policy, connection: HTTPConnection) -> Principal | None:
        if policy != removed and not removed.implies(policy):
            return await original(policy, connection)
        caller = identity_of(connection.scope).principal
        return victim if caller is None or isinstance(removed, OwnerOf) else caller

    Policy.__call__ = lenient  # type: ignore[method-assign,assignment]  # self by another name
    try:
        yield
    finally:
        Policy.__call__ = original  # type: ignore[method-assign]
