"""Settings that come in any number, each under a name: `[oidc.google]` in a file, `CHATKEEP_OIDC_...` elsewhere."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator


def comma_separated(value: Any) -> Any:
    """A list, as one variable writes it."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(comma_separated)]


class NamedTables:
    """The tables of one setting.

    Args:
        setting: its name, such as oidc.
        table: what one of them may hold.
    """

    def __init__(self, setting: str, table: type[BaseModel]) -> None:
        fields = "|".join(name.upper() for name in sorted(table.model_fields, key=len, reverse=True))
        self.setting = setting
        self._variable = re.compile(rf"CHATKEEP_{setting.upper()}_([A-Z0-9]+(?:_[A-Z0-9]+)*)_({fields})", re.ASCII)

    def has_variable(self, name: str) -> bool:
        """Whether this variable sets something in a table."""
        return self._variable.fullmatch(name) is not None

    def in_variables(self, variables: Mapping[str, str]) -> dict[str, dict[str, str]]:
        """What the variables say of each table. Blank means unset, as compose files write it."""
        found: dict[str, dict[str, str]] = {}
        for name, value in variables.items():
            match = self._variable.fullmatch(name)
            if match and value.strip():
                found.setdefault(match[1].lower().replace("_", "-"), {})[match[2].lower()] = value.strip()
        return found


def merged(weaker: Any, stronger: Any) -> Any:
    """Both, field by field: a secret may come from the environment, and all else from a file."""
    if not isinstance(weaker, dict) or not isinstance(stronger, dict):
        return stronger
    return {**weaker, **{name: merged(weaker.get(name), value) for name, value in stronger.items()}}
