"""What a change of factors needs, and what follows from it: the same for apps and passkeys.

Nothing here weakens an account silently. The routes ask for a recent sign-in; an account with a second factor asks that
the sign-in was with that; a removal ends every other login, since who removes a factor has often lost it; and the owner
is told by mail, where there is any.
"""

from collections.abc import Sequence

from authkeep.account_mail import AccountMail
from authkeep.errors import RecentSignInRequired
from authkeep.factors.errors import FactorNotFound
from authkeep.logins import Logins
from authkeep.principal import Principal
from authkeep.store import Ending, EndReason, FactorsHeld, Revocation, Store

RECENT_SECONDS = 600


def require_second_factor(principal: Principal, held: FactorsHeld) -> None:
    """Raises:
    RecentSignInRequired: the account has a second factor, and this login was not confirmed with it.
    """
    if held.has_second and "mfa" not in principal.methods:
        raise RecentSignInRequired("Confirm it with your second factor first", max_age=RECENT_SECONDS)


class FactorChanges:
    """Ends logins, and tells owners."""

    def __init__(self, store: Store, logins: Logins, mail: AccountMail) -> None:
        self._store = store
        self._logins = logins
        self._mail = mail

    def ending(self) -> Ending:
        """How the other logins of a user end whose factor is removed."""
        return self._logins.ending(EndReason.FACTOR_REMOVED)

    async def added(self, principal: Principal) -> None:
        """The caller has one more factor."""
        user = await self._store.find_user(principal.user_id)
        if user is not None:
            self._mail.tell_of_added_factor(user)

    async def removed(self, principal: Principal, revoked: Sequence[Revocation] | None) -> None:
        """The caller has one factor less, and what the store has revoked with it bites at once.

        Raises:
            FactorNotFound: the store has removed nothing.
        """
        if revoked is None:
            raise FactorNotFound
        await self._logins.note_revoked(revoked)
        user = await self._store.find_user(principal.user_id)
        if user is not None:
            self._mail.tell_of_removed_factor(user)
