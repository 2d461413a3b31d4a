"""The operator's way in, when no administrator can sign in."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from authkeep import Device, InvalidLink
from chatkeep.app import auth_alone, prepare
from chatkeep.cli import main
from chatkeep.settings import Settings

PASSWORD = "turnips sleep under violet lamps"
OTHER_PASSWORD = "walnuts hum under copper skies"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    settings = Settings(data_dir=tmp_path / "data")

    async def register() -> None:
        await prepare(settings)
        async with auth_alone(settings) as auth:
            for name in ("admin", "bob"):
                await auth.accounts.register(f"{name}@example.org", PASSWORD)

    asyncio.run(register())
    return settings.data_dir


@pytest.fixture
def chatkeep(data_dir: Path) -> Any:
    def run(*words: str) -> Result:
        return CliRunner().invoke(main, [*words, "--data-dir", str(data_dir)])

    return run


def test_the_only_admin_is_replaced_from_the_machine(chatkeep: Any) -> None:
    refused = chatkeep("users", "disable", "admin@example.org")
    assert refused.exit_code == 1
    assert "only administrator" in refused.output
    for words in (("make-admin", "BOB@example.org"), ("disable", "admin@example.org"), ("revoke", "bob@example.org")):
        done = chatkeep("users", *words)
        assert done.exit_code == 0, done.output
    listed = chatkeep("users", "list").output.splitlines()
    assert [[*line.split()[1:3], line.split()[-1]] for line in listed] == [
        ["admin", "0", "bob@example.org"],
        ["admin", "disabled", "admin@example.org"],
    ]
    assert chatkeep("users", "enable", "admin@example.org").exit_code == 0
    assert "disabled" not in chatkeep("users", "list", "--search", "admin@").output


def test_what_the_operator_does_is_on_record_without_an_actor(chatkeep: Any) -> None:
    chatkeep("users", "make-admin", "bob@example.org")
    events = [json.loads(line) for line in chatkeep("audit", "export").output.splitlines()]
    assert [(event["action"], event["actor_id"]) for event in events[:2]] == [
        ("audit.exported", None),
        ("user.role_changed", None),
    ]
    assert events[1]["details"] == {"before": "user", "after": "admin"}


def test_the_only_admin_has_forgotten_the_password(chatkeep: Any, data_dir: Path) -> None:
    """No mail is set up, and nobody can sign in."""
    link = chatkeep("users", "reset-password", "ADMIN@example.org").output
    assert link.startswith("/reset-password#token=")
    token = link.strip().partition("=")[2]

    async def redeem() -> None:
        async with auth_alone(Settings(data_dir=data_dir)) as auth:
            await auth.password_reset.reset(token, OTHER_PASSWORD)
            with pytest.raises(InvalidLink):
                await auth.password_reset.reset(token, PASSWORD)
            await auth.logins.sign_in("admin@example.org", OTHER_PASSWORD, Device("127.0.0.1"))

    asyncio.run(redeem())
    trail = chatkeep("audit", "export").output
    assert token not in trail
    assert [(event["action"], event["actor_id"]) for event in map(json.loads, trail.splitlines())][3] == (
        "password.reset_requested",
        None,
    )


def test_a_link_for_somebody_disabled(chatkeep: Any) -> None:
    chatkeep("users", "disable", "bob@example.org")
    refused = chatkeep("users", "reset-password", "bob@example.org")
    assert (refused.exit_code, refused.output) == (1, "Error: Nobody who may sign in has this address.\n")


def test_lost_factors_are_removed_from_the_machine(chatkeep: Any) -> None:
    assert chatkeep("users", "reset-factors", "admin@example.org").exit_code == 0
    newest = json.loads(chatkeep("audit", "export").output.splitlines()[1])
    assert (newest["action"], newest["actor_id"]) == ("factors.reset", None)


def test_the_trail_is_pruned_and_says_so(chatkeep: Any) -> None:
    assert chatkeep("audit", "prune", "--before", "2020-01-01").output == "0 events are gone.\n"
    assert "past" in chatkeep("audit", "prune", "--before", "2999-01-01").output
    newest = json.loads(chatkeep("audit", "export").output.splitlines()[1])
    assert newest["action"] == "audit.pruned"


def test_nobody_and_nothing(chatkeep: Any, tmp_path: Path) -> None:
    unknown = chatkeep("users", "revoke", "nobody@example.org")
    assert (unknown.exit_code, unknown.output) == (1, "Error: Nobody has the address nobody@example.org.\n")
