"""The documentation is true: its links lead somewhere, its commands exist, its tables are the code's."""

import re
import runpy
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from chatkeep.settings import Settings
from chatkeep.settings_sources import CONFIG_FILE, is_table_variable
from tests.house.repository import ROOT, tracked

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


PAGES = tracked("*.md")


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(page: Path) -> list[str]:
    return [line for _, block in FENCE.findall(page.read_text()) for line in block.splitlines()]


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.fixture(scope="module")
def generate() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "docs" / "generate.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    named = re.findall(r"`make ([a-z-]+)", page.read_text())
    named += re.findall(r"^(?:\w+=\S+ )*make ([a-z-]+)", "\n".join(commands(page)), re.MULTILINE)
    assert set(named) <= make_targets()


def test_the_readme_sets_up_with_exactly_two_commands() -> None:
    lines = [line for line in commands(ROOT / "README.md") if line and "CHATKEEP_" not in line]
    assert lines == ["make run", "make test"]


def test_make_help_lists_every_target() -> None:
    printed = subprocess.run(["make", "help"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert set(re.findall(r"make ([a-z-]+)", printed)) == make_targets()


def test_generated_tables_are_what_make_docs_would_write(generate: dict[str, Any]) -> None:
    stale = [path.name for path, text in generate["pages"]().items() if path.read_text() != text]
    assert not stale, "run `make docs`"


def test_the_settings_table_has_every_setting_and_each_has_a_meaning() -> None:
    rows = re.findall(
        r"^\| `(CHATKEEP_\w+)` \|[^|]*\| (.*) \|$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE
    )
    assert [name for name, _ in rows] == [f"CHATKEEP_{name.upper()}" for name in Settings.model_fields]
    assert all(meaning.strip() for _, meaning in rows)


def test_the_api_page_has_every_operation(generate: dict[str, Any]) -> None:
    rows = re.findall(r"^\| `([A-Z]+) (/[^`]*)` \|", (ROOT / "docs/api.md").read_text(), re.MULTILINE)
    there = {(method, path) for method, path, _ in generate["operations"](generate["openapi"]())}
    assert set(rows) == there
    assert len(rows) == len(there) > 10


@pytest.mark.parametrize(
    "file", tracked("*.md", "deploy", ".github", "docs"), ids=lambda file: str(file.relative_to(ROOT))
)
def test_every_variable_that_is_named_is_a_setting(file: Path) -> None:
    known = {f"CHATKEEP_{name.upper()}" for name in Settings.model_fields} | {CONFIG_FILE}
    named = set(re.findall(r"CHATKEEP_[A-Z_]+[A-Z]\b", file.read_text()))
    # The tests have variables of their own, which the server never sees.
    named = {name for name in named if not name.startswith("CHATKEEP_TEST_")}
    assert {name for name in named if not is_table_variable(name)} <= known


def test_the_changelog_has_the_version_and_all_distributions_share_it() -> None:
    versions = {
        tomllib.loads((ROOT / member / "pyproject.toml").read_text())["project"]["version"]
        for member in ("auth", "server", "ui")
    }
    (version,) = versions
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_list_of_decisions_is_complete() -> None:
    folder = ROOT / "docs/decisions"
    listed = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text())
    assert listed == sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert [int(name[:4]) for name in listed] == list(range(1, len(listed) + 1)), "numbered without a gap"
