"""authkeep's wheel, alone: in an environment that has never seen this repository, its tests pass."""

import os
import re
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path
from shutil import copytree

import pytest
from packaging.requirements import Requirement

from tests.house.repository import ROOT

# What runs its tests. Of the workspace nothing: no chatkeep, no page, no testbed.
TEST_TOOLS = [
    "aiosmtpd", "aiosqlite", "httpx", "hypothesis", "psutil", "pytest", "pyjwt", "pytest-asyncio", "pytest-socket",
    "pytest-timeout", "slowapi", "uvicorn",
]  # fmt: skip
EXTRAS = ["sql", "postgresql", "valkey", "bcrypt", "smtp", "passkeys", "oidc"]
# One of each kind: what reads the package's files, what an extra brings, what a reader of the documentation would run.
# AUTHKEEP_WHEEL_ALL=true takes all of them and minutes, but for those that ask the databases what they have been asked.
SOME = ["face", "readme", "minimal_example", "drop_in", "migrations", "import_users", "http_journey", "passwords"]
PYTEST_INI = """\
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
addopts = --import-mode=importlib --disable-socket --allow-unix-socket --allow-hosts=127.0.0.1,::1,localhost
filterwarnings = error
timeout = 120
markers =
    slow: left out here
"""

WHERE = """
import authkeep, importlib.util
print(authkeep.__file__, *[importlib.util.find_spec(name) for name in ("chatkeep", "chatkeep_ui", "testbed")])
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT / "auth", check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_what_the_package_reads(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    source = ROOT / "auth" / "authkeep"
    files = {f"authkeep/{file.relative_to(source)}" for file in source.rglob("*") if file.is_file()}
    assert {name for name in files if "__pycache__" not in name} <= packed
    assert not {name for name in packed if not name.startswith(("authkeep/", "authkeep-"))}


@pytest.fixture(scope="module")
def clean_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel, and what its extras need, in the versions that are locked.

    They are linked from our own environment, where `make setup` has installed them: no registry, no network.
    """
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for needed in closure([f"authkeep[{','.join(EXTRAS)}]", *TEST_TOOLS]):
        link_into(packages, needed)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    return folder / "bin" / "python"


def closure(requirements: list[str]) -> Iterator[Distribution]:
    """Everything that these need here, authkeep itself left out."""
    waiting = [(Requirement(text), "") for text in requirements]
    seen: set[tuple[str, str]] = set()
    linked: set[str] = set()
    while waiting:
        requirement, extra = waiting.pop()
        name = canonical(requirement.name)
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": extra})
        if not applies or {(name, each) for each in requirement.extras or {""}} <= seen:
            continue
        found = distribution(name)
        for each in {"", *requirement.extras}:
            seen.add((name, each))
            waiting += [(Requirement(text), each) for text in found.requires or ()]
        if name != "authkeep" and name not in linked:
            linked.add(name)
            yield found


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def link_into(packages: Path, needed: Distribution) -> None:
    for file in needed.files or ():
        # Scripts and manual pages lie outside, and bytecode is made anew.
        if ".." in file.parts or file.suffix == ".pyc":
            continue
        target = packages / file
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(str(file.locate()), target)
        except OSError:
            target.write_bytes(file.read_binary())


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_wheel_passes_its_tests_alone(clean_python: Path, tmp_path: Path) -> None:
    for folder in ("tests", "examples", "docs"):
        copytree(ROOT / "auth" / folder, tmp_path / folder)
    (tmp_path / "README.md").write_bytes((ROOT / "auth" / "README.md").read_bytes())
    (tmp_path / "pytest.ini").write_text(PYTEST_INI)
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    where = subprocess.run(
        [str(clean_python), "-c", WHERE], cwd=tmp_path, env=environ, check=True, capture_output=True, text=True
    )
    assert where.stdout.split()[1:] == ["None"] * 3
    assert str(clean_python.parent.parent) in where.stdout
    everything = ["tests", "-k", "not sqlite and not postgres and not valkey"]
    tests = everything if os.environ.get("AUTHKEEP_WHEEL_ALL") == "true" else [f"tests/test_{name}.py" for name in SOME]
    command = [str(clean_python), "-m", "pytest", *tests, "-q", "-m", "not slow", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, env=environ, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
