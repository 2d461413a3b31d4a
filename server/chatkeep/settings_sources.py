"""Where the settings come from, the strongest first: command line, environment, `.env`, a TOML file, the defaults.

Each value remembers its source, so that `chatkeep config show` and every complaint can name it.
"""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import SecretStr, ValidationError

from chatkeep.settings import Settings
from chatkeep.settings_oidc import OIDC_TABLES
from chatkeep.settings_providers import PROVIDER_TABLES
from chatkeep.settings_tables import merged
from chatkeep.settings_urls import masked

PREFIX = "CHATKEEP_"
CONFIG_FILE = "CHATKEEP_CONFIG_FILE"
DEFAULT_CONFIG_FILE = "chatkeep.toml"
_MAY_HOLD_SECRETS = ("_url", "_key")
_TABLES = {tables.setting: tables for tables in (OIDC_TABLES, PROVIDER_TABLES)}


class SettingsInvalid(Exception):
    """The server refuses to start; the message names each setting, its source, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings in force, the source of each, and what looks like a mistake but stops nothing."""

    settings: Settings
    sources: Mapping[str, str]
    warnings: tuple[str, ...]

    def rows(self) -> list[tuple[str, str, str]]:
        """(name, value with secrets masked, source) of every setting."""
        return [
            (PREFIX + name.upper(), _shown(self._effective(name)), self.sources.get(name, "default"))
            for name in Settings.model_fields
        ]

    def _effective(self, name: str) -> Any:
        return getattr(self.settings, f"effective_{name}", getattr(self.settings, name))


def load_settings(
    command_line: Mapping[str, Any], environ: Mapping[str, str], directory: Path, config_file: Path | None = None
) -> LoadedSettings:
    """Read all sources and check the result.

    Raises:
        SettingsInvalid: a value is wrong, a file cannot be read, or a file names a setting that does not exist.
    """
    dotenv = _from_dotenv(directory / ".env")
    file = config_file or _named_config_file(environ, dotenv) or directory / DEFAULT_CONFIG_FILE
    required = file != directory / DEFAULT_CONFIG_FILE
    layers = (
        (f"file {file}", _from_file(file, required=required)),
        (".env", _from_variables(dotenv)),
        ("environment", _from_variables(environ)),
        ("command line", {name: value for name, value in command_line.items() if value is not None}),
    )
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, layer in layers:
        for name, value in layer.items():
            values[name], sources[name] = merged(values.get(name), value), source
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise SettingsInvalid(_explain(error, sources)) from None
    return LoadedSettings(settings, sources, tuple(_unknown_variables(environ, "environment", dotenv)))


def _named_config_file(environ: Mapping[str, str], dotenv: Mapping[str, str]) -> Path | None:
    named = environ.get(CONFIG_FILE) or dotenv.get(CONFIG_FILE)
    return Path(named).expanduser() if named else None


def _from_dotenv(file: Path) -> dict[str, str]:
    try:
        return {name: value or "" for name, value in dotenv_values(file, interpolate=False).items()}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"The settings file {file} cannot be read: {error}") from None


def _from_variables(variables: Mapping[str, str]) -> dict[str, Any]:
    """Blank means unset, as compose files write it."""
    single = (name for name in Settings.model_fields if name not in _TABLES)
    named = ((name, variables.get(PREFIX + name.upper(), "")) for name in single)
    values: dict[str, Any] = {name: value.strip() for name, value in named if value.strip()}
    tables = ((name, of_name.in_variables(variables)) for name, of_name in _TABLES.items())
    return {**values, **{name: named for name, named in tables if named}}


def _from_file(file: Path, *, required: bool) -> dict[str, Any]:
    if not file.exists() and not required:
        return {}
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsInvalid(f"The settings file {file} cannot be read: {error}") from None
    unknown = [name for name in values if name not in Settings.model_fields]
    if unknown:
        raise SettingsInvalid("\n".join(f"{file}: {_unknown(name, list(Settings.model_fields))}" for name in unknown))
    return values


def _unknown_variables(environ: Mapping[str, str], source: str, dotenv: Mapping[str, str]) -> list[str]:
    known = [PREFIX + name.upper() for name in Settings.model_fields] + [CONFIG_FILE]
    return [
        f"{place}: {_unknown(name, known)}"
        for place, variables in ((source, environ), (".env", dotenv))
        for name in sorted(variables)
        if name.startswith(PREFIX) and name not in known and not is_table_variable(name)
    ]


def is_table_variable(name: str) -> bool:
    """Whether this variable sets something in a table of a setting that has several."""
    return any(tables.has_variable(name) for tables in _TABLES.values())


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"there is no setting {name}" + (f"; did you mean {near[0]}?" if near else "")


def _explain(error: ValidationError, sources: Mapping[str, str]) -> str:
    lines = []
    for problem in error.errors(include_url=False):
        name = str(problem["loc"][0]) if problem["loc"] else ""
        if name in _TABLES:
            where = "_".join(str(part) for part in problem["loc"]).upper().replace("-", "_")
            lines.append(f"{PREFIX}{where}: {problem['msg'].removeprefix('Value error, ')} (from {sources[name]})")
            continue
        reason = problem["msg"].removeprefix("Value error, ")
        if not name:
            lines.append(reason)
            continue
        # What cannot be read cannot be masked either.
        given = "" if name.endswith(_MAY_HOLD_SECRETS) else f"got {_shown(problem['input'])!r} "
        lines.append(f"{PREFIX}{name.upper()}: {reason} ({given}from {sources.get(name, 'default')})")
    return "\n".join(lines)


def _shown(value: Any) -> str:
    match value:
        case None | () | "":
            return ""
        case SecretStr():
            return "********"
        case dict():
            return ", ".join(f"{name} ({table.shown})" for name, table in value.items())
        case tuple():
            return ",".join(value)
        case str() if "://" in value:
            return masked(value)
        case _:
            return str(value)
