"""What a completion costs its caller: a place in their quotas before the model is asked, true figures afterwards."""

import logging
from datetime import UTC, datetime
from functools import partial

from chatkeep.completions.errors import NotAccountable
from chatkeep.completions.tally import Tally
from chatkeep.db import Database, Db
from chatkeep.errors import ChatkeepError
from chatkeep.identity import OwnerId
from chatkeep.limits.quotas import Claim, Outcome, Payer, Quotas
from chatkeep.limits.tokens import Tokens

log = logging.getLogger(__name__)


class Account:
    """One completion's, in two short transactions: none is open while the model answers."""

    def __init__(self, database: Database, quotas: Quotas, owner: OwnerId, payer: Payer, claim: Claim) -> None:
        self._database = database
        self._quotas = quotas
        self._owner = owner
        self._payer = payer
        self._claim = claim
        self._settled = True

    async def reserve(self) -> None:
        """Hold what it may cost.

        Raises:
            QuotaExceeded: a limit is used up.
            NotAccountable: the database is away.
        """
        # Before it is so: who is cancelled in the middle of the commit may hold it all the same.
        self._settled = False
        try:
            await self._database.write(self._owner, self._reserve)
        except ChatkeepError:
            self._settled = True
            raise
        except Exception:  # whatever keeps it from being taken down, no model is asked; nor has the client gone
            self._settled = True
            log.exception("completion %s could not be reserved", self._claim.id)
            raise NotAccountable from None

    async def settle(self, tally: Tally | None) -> bool:
        """Put down what it did cost; None: no answer came, and nothing but the attempt counts.

        Returns:
            False while the database is away: to be tried again.
        """
        if self._settled:
            return True
        try:
            await self._database.write(self._owner, partial(self._settle, outcome=_outcome(tally)))
        except Exception:  # whatever keeps it from being saved now, there is only trying again
            log.exception("completion %s could not be accounted for yet", self._claim.id)
            return False
        self._settled = True
        return True

    async def _reserve(self, db: Db) -> None:
        await self._quotas.reserve(db, self._owner, self._payer, self._claim, datetime.now(UTC))

    async def _settle(self, db: Db, outcome: Outcome) -> None:
        await self._quotas.settle(db, self._owner, self._claim.id, outcome, datetime.now(UTC))


def _outcome(tally: Tally | None) -> Outcome:
    if tally is None:
        return Outcome(prompt_tokens=0)
    usage = tally.usage
    reported = None if usage is None else Tokens(usage.prompt_tokens, usage.completion_tokens)
    return Outcome(reported, tally.produced, provider=tally.provider)
