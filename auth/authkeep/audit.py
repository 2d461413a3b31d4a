"""The audit trail: typed events for everything that matters to an account, and no secret in any of them.

A change brings its event along, and the store writes both in one transaction: `event()` makes it. What changes nothing,
such as a refused sign-in, is written by `record()`. Refusals cost an attacker nothing, so they are bounded: a few for
each address, not too many for all of them together. Those beyond are counted, and the next one that is written tells
how many it stands for.
"""

import logging
import re
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from authkeep.client_address import UNKNOWN, parse_address
from authkeep.clock import Clock
from authkeep.device import Device
from authkeep.principal import Principal
from authkeep.store import AuditAction, AuditEvent, AuditTrail, Outcome
from authkeep.throttle import Limit, MemoryCounters, Throttle

_log = logging.getLogger("authkeep.audit")

# An event takes about half a kilobyte: one address fills a megabyte in a day, all that there are together fifty.
_REFUSALS = {"address": Limit.parse("60/hour"), "everybody": Limit.parse("3000/hour")}

_MAX_DETAIL = 100
_WITHHELD = "[withheld]"
# By their prefix, our own credentials, a hash in PHC form and a JWT; and any run of characters as long as a key. An id
# has hyphens in it, and is not one.
_CREDENTIAL = re.compile(r"ak[a-z]_|ck_|eyJ|\$argon2|\$2[aby]\$|[0-9A-Za-z+/_=]{32}")


class Audit:
    """Makes events, and writes those that come with no change.

    Attributes:
        failures: how many refusals the store could not take.
    """

    def __init__(self, trail: AuditTrail, clock: Clock) -> None:
        self._trail = trail
        self._clock = clock
        self._bounds = Throttle(MemoryCounters(clock), _REFUSALS)
        self._unrecorded = 0
        self.failures = 0

    def event(
        self,
        action: AuditAction,
        device: Device | None,
        *,
        actor: Principal | str | None = None,
        subject: str | None = None,
        login_id: str | None = None,
        outcome: Outcome = Outcome.SUCCESS,
        **details: str,
    ) -> AuditEvent:
        """What happened, now.

        Args:
            device: where the request came from; None for what the operator does at the machine.
            actor: who did it: a principal with the credential it was done with, or the id of a user who has none yet.
            subject: the id of the user it was done to; the actor, unless another is named.
            login_id: what it was done with, where no principal says so.
            details: a few words. What no screen could show is left out of them, and what looks like a credential
                is withheld: some of them were typed by people, who paste the wrong thing.
        """
        by = actor.user_id if isinstance(actor, Principal) else actor
        return AuditEvent(
            id=str(uuid7()),
            at=self._clock.now(),
            action=action,
            outcome=outcome,
            actor_id=by,
            subject_id=subject or by,
            login_id=actor.login_id if isinstance(actor, Principal) else login_id,
            address=device.address if device else "",
            user_agent=_fit(device.shown_user_agent) if device else "",
            details={name: _fit(value[:_MAX_DETAIL]) for name, value in details.items()},
        )

    async def record(self, event: AuditEvent) -> None:
        """Write an event that no change brings along.

        A refusal that cannot be written stays a refusal: it is counted and logged, and nothing is raised.
        """
        if event.outcome is Outcome.SUCCESS:
            await self._trail.add_event(event)
        elif await self._is_within_bounds(event):
            await self._record_refusal(event)
        else:
            self._unrecorded += 1

    async def prune(self, before: datetime) -> int:
        """Forget what happened before a time, but for the fact that it was forgotten. How many events those were.

        Raises:
            ValueError: `before` has not passed yet.
        """
        if before > self._clock.now():
            raise ValueError("only what lies in the past can be pruned")
        # The first 48 bits of a UUIDv7 are its milliseconds (RFC 9562, section 5.7).
        before_id = str(UUID(int=int(before.timestamp() * 1000) << 80))
        pruning = self.event(AuditAction.AUDIT_PRUNED, None, before=before.isoformat(), before_id=before_id)
        return await self._trail.prune_events(before_id, event=pruning)

    async def _is_within_bounds(self, event: AuditEvent) -> bool:
        # The same for everybody: a bound for each account would tell, by its time, which accounts there are.
        address = (parse_address(event.address) or UNKNOWN).limit_key
        if not (await self._bounds.hit("address", address)).allowed:
            return False
        return (await self._bounds.hit("everybody", "")).allowed

    async def _record_refusal(self, event: AuditEvent) -> None:
        unrecorded, self._unrecorded = self._unrecorded, 0
        if unrecorded:
            event = replace(event, details={**event.details, "unrecorded": str(unrecorded)})
        try:
            await self._trail.add_event(event)
        except Exception as error:  # noqa: BLE001 - whatever a driver raises: the caller has a refusal to give
            self.failures += 1
            self._unrecorded += unrecorded + 1
            _log.warning("A refusal was not recorded: %s", type(error).__name__)


def _fit(text: str) -> str:
    shown = "".join(char for char in text if char.isprintable())
    return _WITHHELD if _CREDENTIAL.search(shown) else shown
