"""What the routes are given of quotas: those of this application, and whose quota a request counts against."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from chatkeep.db import Database
from chatkeep.identity import Role, identity_of
from chatkeep.limits.quotas import Payer, Quotas
from chatkeep.limits.standing import Standing


@dataclass(frozen=True, slots=True)
class LimitServices:
    """Made by the composition root, held by the application's state."""

    database: Database
    quotas: Quotas


async def _services(request: Request) -> LimitServices:
    return cast(LimitServices, request.app.state.limits)


Services = Annotated[LimitServices, Depends(_services)]


async def _payer(request: Request) -> Payer:
    identity = identity_of(request.scope)

    def tell(standings: Sequence[Standing]) -> None:
        identity.decisions.extend(standings)

    principal = identity.principal
    return Payer(principal.role if principal else Role.USER, principal.api_key_id if principal else None, tell)


CurrentPayer = Annotated[Payer, Depends(_payer)]
"""Beside an owner: their role and key; what is left of their quotas goes into the RateLimit fields of the answer."""
