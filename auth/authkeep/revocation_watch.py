"""What is open under which login, so that it ends when the login does."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable

from authkeep.principal import Principal
from authkeep.store import Revocation

_log = logging.getLogger("authkeep.revocation")


class _Watch:
    __slots__ = ("end", "principal")

    def __init__(self, principal: Principal, end: Callable[[], None]) -> None:
        self.principal = principal
        self.end = end


class LoginWatch:
    """Two dictionaries: what is open costs an entry in each, and a revocation one look-up. No task, no timer."""

    def __init__(self) -> None:
        self._by_login: defaultdict[str, set[_Watch]] = defaultdict(set)
        self._by_user: defaultdict[str, set[_Watch]] = defaultdict(set)

    def __len__(self) -> int:
        return sum(map(len, self._by_user.values()))

    def add(self, principal: Principal, end: Callable[[], None]) -> Callable[[], None]:
        """Returns what forgets it again."""
        watch = _Watch(principal, end)
        self._by_login[principal.login_id].add(watch)
        self._by_user[principal.user_id].add(watch)
        return lambda: self._forget(watch)

    def _forget(self, watch: _Watch) -> None:
        _remove(self._by_login, watch.principal.login_id, watch)
        _remove(self._by_user, watch.principal.user_id, watch)

    def on_revoked(self, revocation: Revocation) -> None:
        """End what is open under the login, or under any of the user's that is older than the epoch."""
        if revocation.sid is not None:
            self._end(self._by_login.get(revocation.sid, ()))
        if revocation.epoch is not None:
            watches = self._by_user.get(revocation.user_id, ())
            self._end(watch for watch in watches if watch.principal.epoch < revocation.epoch)

    def _end(self, watches: Iterable[_Watch]) -> None:
        for watch in list(watches):
            # First, so that nothing is ended twice.
            self._forget(watch)
            try:
                watch.end()
            except Exception:  # noqa: BLE001 - a host's code: one that fails must not keep the others open
                _log.exception("What was open under a login that has ended could not be told")


def _remove(watches: defaultdict[str, set[_Watch]], key: str, watch: _Watch) -> None:
    watches[key].discard(watch)
    if not watches[key]:
        del watches[key]
