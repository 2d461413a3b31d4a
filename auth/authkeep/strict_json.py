"""JSON as everybody reads it the same way: no member twice, no NaN."""

from json import JSONDecoder
from typing import Any


class StrictDecoder(JSONDecoder):
    """For `json.loads(cls=...)`. Parsers disagree about which of two equal members counts (RFC 8725, section 2.7)."""

    def __init__(self) -> None:
        super().__init__(object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
