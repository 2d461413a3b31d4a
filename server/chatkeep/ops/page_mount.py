"""The page beside the API at one address: it gets what the API does not have, and nothing below the API's own paths."""

from collections.abc import Iterable

from starlette.routing import Match, Mount
from starlette.types import ASGIApp, Scope
from typing_extensions import override


class PageMount(Mount):
    """Mounts the page at "/". A path whose first segment is the API's stays with the API: its 404s and 405s are told
    there, where a mount would take every path that no route wants with this method.
    """

    def __init__(self, app: ASGIApp, api_paths: Iterable[str]) -> None:
        super().__init__("/", app, name="page")
        self._api_segments = frozenset(_first_segment(path) for path in api_paths)

    @override
    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if _first_segment(path) in self._api_segments:
            return Match.NONE, {}
        return super().matches(scope)


def _first_segment(path: str) -> str:
    return path.lstrip("/").partition("/")[0]
