"""The set of what is revoked, as one process holds it: no I/O, nothing asynchronous."""

from collections.abc import Iterable

from authkeep.principal import Principal
from authkeep.store import Revocation


class RevocationView:
    """Grows by union and shrinks by expiry alone: whatever comes late, twice or out of order takes nothing back."""

    def __init__(self) -> None:
        self._logins: dict[str, float] = {}
        self._epochs: dict[str, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._logins) + len(self._epochs)

    def add(self, revocations: Iterable[Revocation]) -> list[Revocation]:
        """Returns those that were news."""
        return [revocation for revocation in revocations if self._add(revocation)]

    def _add(self, revocation: Revocation) -> bool:
        expires = revocation.expires_at.timestamp()
        news = False
        if revocation.sid is not None:
            known_until = self._logins.get(revocation.sid, 0.0)
            news = not known_until
            self._logins[revocation.sid] = max(expires, known_until)
        if revocation.epoch is not None:
            epoch, known_until = self._epochs.get(revocation.user_id, (0, 0.0))
            news = news or revocation.epoch > epoch
            self._epochs[revocation.user_id] = (max(epoch, revocation.epoch), max(expires, known_until))
        return news

    def refuses(self, principal: Principal) -> bool:
        if principal.login_id in self._logins:
            return True
        minimum = self._epochs.get(principal.user_id)
        return minimum is not None and principal.epoch < minimum[0]

    def forget_expired(self, now: float) -> None:
        self._logins = {sid: expires for sid, expires in self._logins.items() if expires > now}
        self._epochs = {user: entry for user, entry in self._epochs.items() if entry[1] > now}
