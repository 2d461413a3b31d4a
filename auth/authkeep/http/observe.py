"""Observing: an application's older check goes on deciding, and what authkeep would have said is only told.

For the days of a migration. The older check always runs and refuses as before, so nobody sees more than they did;
authkeep's verdict is counted, logged, and shown in a header. On the day that is set it begins to decide as well.
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from typing_extensions import override

from authkeep.clock import Clock, SystemClock
from authkeep.errors import AuthError
from authkeep.http.identity import RequestIdentity, identity_of
from authkeep.http.policies import Description, Policy
from authkeep.principal import Principal

_log = logging.getLogger("authkeep.observe")
HEADER = "Authkeep-Would-Refuse"
_LONGEST = timedelta(days=90)


class Observation:
    """Args:
        until: when it ends by itself, and authkeep's verdict decides too; aware, at most 90 days from now.

    Attributes:
        would_refuse: how often, by the code of the error; `another_user` where the two checks name different people.

    Raises:
        ValueError: `until` has no time zone, or is too far away for anybody to remember it.
    """

    def __init__(self, until: datetime, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        if until.tzinfo is None or until > self._clock.now() + _LONGEST:
            raise ValueError(f"until needs a time zone and is at most {_LONGEST.days} days from now, but it is {until}")
        self.until = until
        self.would_refuse: Counter[str] = Counter()
        if not self.over:
            _log.warning("Observing until %s: what authkeep would refuse is only told, and not refused", until)

    @property
    def over(self) -> bool:
        """Whether authkeep decides by now."""
        return self._clock.now() >= self.until

    def of(self, policy: Policy, *, host: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
        """A dependency that gives what the older check `host` gives, and observes `policy` beside it.

        `host` is itself a dependency, which refuses by raising. What it returns is compared with `Principal.user_id`.
        """
        observed = _Observed(policy, self)

        async def decided_by_host(
            request: Request,
            response: Response,
            decided: Annotated[Any, Depends(host)],
            _declared: Annotated[Principal | None, Depends(observed)],
        ) -> Any:
            if not self.over:
                self._compare(policy, identity_of(request.scope), decided, request, response)
            return decided

        return decided_by_host

    def _compare(
        self, policy: Policy, identity: RequestIdentity, decided: object, request: Request, response: Response
    ) -> None:
        try:
            principal = policy.check(identity)
        except AuthError as refusal:
            self._tell(refusal.code, request, response)
        else:
            if principal is not None and principal.user_id != str(decided):
                self._tell("another_user", request, response)

    def _tell(self, code: str, request: Request, response: Response) -> None:
        if not self.would_refuse[code]:
            # The first of its kind. A flood of them is a number, and not a log.
            _log.warning("%s %s would be refused: %s", request.method, request.url.path, code)
        self.would_refuse[code] += 1
        response.headers[HEADER] = code


@dataclass(frozen=True)
class _Observed(Policy):
    """Declares the policy from the first day on, and enforces it from the last."""

    policy: Policy
    observation: Observation = field(repr=False)

    @override
    def describe(self) -> Description:
        return {**self.policy.describe(), "observed_until": self.observation.until.isoformat()}

    @override
    def check(self, identity: RequestIdentity) -> Principal | None:
        return self.policy.check(identity) if self.observation.over else None
