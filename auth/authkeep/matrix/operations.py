"""What there is to be called, from the walk over an application's routes."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from authkeep.http.policies import Policy, SignedIn
from authkeep.http.route_walk import RoutePolicy
from authkeep.matrix.sample import Parameters

_PARAMETER = re.compile(r"{(\w+)(?::\w+)?}")


@dataclass(frozen=True)
class Operation:
    """One method of one route; a WebSocket has the method `WEBSOCKET`."""

    method: str
    path: str
    policies: tuple[Policy, ...]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def scopes(self) -> frozenset[str]:
        """What an API key needs for it; none where no API key will do."""
        scopes = [policy.scope for policy in self.policies if isinstance(policy, SignedIn)]
        return frozenset(scope for scope in scopes if scope is not None) if None not in scopes else frozenset()

    def url(self, parameters: Parameters) -> str:
        """Raises:
        LookupError: the sample does not say what a parameter is.
        """
        missing = [name for name in _PARAMETER.findall(self.path) if name not in parameters]
        if missing:
            raise LookupError(f"{self}: the sample names no {', no '.join(missing)}")
        return _PARAMETER.sub(lambda match: parameters[match[1]], self.path)


def operations_of(routes: Iterable[RoutePolicy]) -> Iterator[Operation]:
    """Each method of each route; a mounted application is asked for its first page."""
    for route in routes:
        if route.kind == "websocket":
            yield Operation("WEBSOCKET", route.path, route.policies)
        elif route.kind == "mount":
            yield Operation("GET", route.path.rstrip("/") + "/", route.policies)
        else:
            for method in sorted(route.methods) or ["GET"]:
                yield Operation(method, route.path, route.policies)
