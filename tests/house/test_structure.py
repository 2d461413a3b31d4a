"""Files and functions stay small, and no file is named after nothing."""

import ast
from pathlib import Path

import pytest

from tests.house.repository import ROOT, tracked

SOURCES = [path for path in tracked("*.py") if "versions" not in path.parts]

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

# Names with no ceiling: whatever has no place ends up there.
SHAPELESS = {"base", "common", "core", "helper", "helpers", "manager", "misc", "service", "services", "util", "utils"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_and_its_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= MAX_FILE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < MAX_FUNCTION_LINES, node.name


def test_no_file_is_named_after_nothing() -> None:
    assert not [path for path in SOURCES if path.stem in SHAPELESS or path.parent.name in SHAPELESS]


def test_test_folders_are_no_packages() -> None:
    assert not [path for path in SOURCES if path.name == "__init__.py" and "tests" in path.parts]
