"""What the package promises to its hosts."""

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

import authkeep
import authkeep.http
import authkeep.sql
from authkeep import AuthError, AuthSettings


@pytest.mark.parametrize("module", [authkeep, authkeep.http, authkeep.sql], ids=lambda module: module.__name__)
def test_everything_exported_exists(module: Any) -> None:
    assert len(module.__all__) == len(set(module.__all__))
    assert all(hasattr(module, name) for name in module.__all__)


def test_the_core_imports_neither_fastapi_nor_sqlalchemy_nor_valkey() -> None:
    script = (
        "import sys, authkeep; print([m for m in ('fastapi', 'starlette', 'sqlalchemy', 'valkey') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def every_error(kind: type[AuthError]) -> list[type[AuthError]]:
    return [kind, *(error for child in kind.__subclasses__() for error in every_error(child))]


def test_the_drawn_tree_of_errors_is_the_real_one() -> None:
    drawing = authkeep.errors.__doc__ or ""
    for error in every_error(AuthError):
        if not error.__name__.startswith("_"):
            assert error.__name__ in drawing
            assert error is AuthError or f"{error.status}" in drawing.split(error.__name__)[1].split("\n")[0]


def test_one_code_means_one_thing() -> None:
    codes: dict[str, type[AuthError]] = {}
    for error in every_error(AuthError):
        if "code" in vars(error):
            assert codes.setdefault(error.code, error) is error


@pytest.fixture
def valid() -> AuthSettings:
    return AuthSettings(issuer="https://x.example", audience="x")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("issuer", " "), ("audience", ""), ("access_lifetime", timedelta(days=1)), ("access_lifetime", timedelta(0)),
        ("refresh_grace", timedelta(seconds=11)), ("refresh_grace_uses", 1000), ("hashing_threads", 8),
        ("hashing_queue", 0), ("refresh_idle_lifetime", timedelta(minutes=1)), ("refresh_lifetime", timedelta(days=1)),
        ("revocation_reread", timedelta(minutes=1)), ("trusted_origins", frozenset({"app.example"})),
        ("trusted_origins", frozenset({"https://app.example/"})),
        ("trusted_origins", frozenset({"https://app.example/path"})),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_work_is_named(valid: AuthSettings, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        replace(valid, **{name: value})
