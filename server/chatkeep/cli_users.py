"""`chatkeep users` and `chatkeep audit`: what an administrator does in the page, for whoever has the machine.

The way back in when no administrator can sign in. All of it is in the audit trail, with nobody as the actor.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from chatkeep.app import ServerUnusable, auth_alone
from chatkeep.identity import Auth, AuthError, Role, audit_lines
from chatkeep.settings import Settings
from chatkeep.settings_sources import SettingsInvalid, load_settings

_PAGE = 100


def _operation(command: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """A coroutine that takes `Auth` first, as a command."""

    def run(config_file: Path | None, data_dir: Path | None, **given: Any) -> None:
        try:
            settings = load_settings({"data_dir": data_dir}, os.environ, Path.cwd(), config_file).settings
            asyncio.run(_with_auth(settings, command, given))
        except (AuthError, ServerUnusable, SettingsInvalid) as error:
            raise click.ClickException(str(error)) from None

    run.__doc__ = command.__doc__
    path = click.Path(path_type=Path)
    run = click.option("--config", "config_file", type=path, help="A TOML file with settings.")(run)
    return click.option("--data-dir", type=path, help="Directory for database, keys and files.")(run)


async def _with_auth(settings: Settings, command: Callable[..., Awaitable[None]], given: dict[str, Any]) -> None:
    async with auth_alone(settings) as auth:
        await command(auth, **given)


@click.group("users")
def users_group() -> None:
    """Look at accounts, disable them, and make administrators."""


@users_group.command("list")
@click.option("--search", default="", help="A part of the e-mail address or name.")
@_operation
async def list_users(auth: Auth, search: str) -> None:
    """Print every account, the newest first."""
    before: str | None = None
    while True:
        page = await auth.administration.list_users(search, limit=_PAGE, before=before)
        for entry in page:
            state = "disabled" if entry.user.disabled else f"{entry.logins} signed in"
            click.echo(f"{entry.user.id}  {entry.user.role.value:<5}  {state:<12}  {entry.user.email}")
        if len(page) < _PAGE:
            return
        before = page[-1].user.id


async def _user_id(auth: Auth, email: str) -> str:
    for entry in await auth.administration.list_users(email, limit=_PAGE):
        if entry.user.email.casefold() == email.strip().casefold():
            return entry.user.id
    raise click.ClickException(f"Nobody has the address {email}.")


@users_group.command("disable")
@click.argument("email")
@_operation
async def disable(auth: Auth, email: str) -> None:
    """Disable an account: signed out everywhere, and kept out."""
    await auth.administration.change_user(None, await _user_id(auth, email), disabled=True)


@users_group.command("enable")
@click.argument("email")
@_operation
async def enable(auth: Auth, email: str) -> None:
    """Let a disabled account sign in again."""
    await auth.administration.change_user(None, await _user_id(auth, email), disabled=False)


@users_group.command("make-admin")
@click.argument("email")
@_operation
async def make_admin(auth: Auth, email: str) -> None:
    """Make somebody an administrator; they sign in anew."""
    await auth.administration.change_user(None, await _user_id(auth, email), role=Role.ADMIN)


@users_group.command("revoke")
@click.argument("email")
@_operation
async def revoke(auth: Auth, email: str) -> None:
    """Sign somebody out everywhere."""
    await auth.administration.end_logins(None, await _user_id(auth, email))


@users_group.command("reset-password")
@click.argument("email")
@_operation
async def reset_password(auth: Auth, email: str) -> None:
    """Print a link with which somebody chooses a new password, once, within half an hour."""
    token = await auth.password_reset.issue(email)
    click.echo(f"{auth.settings.public_url or ''}/reset-password#token={token}")


@users_group.command("reset-factors")
@click.argument("email")
@_operation
async def reset_factors(auth: Auth, email: str) -> None:
    """Remove the authenticator app, the passkeys and the recovery codes of somebody who has lost them."""
    await auth.administration.reset_factors(None, await _user_id(auth, email))


@click.group("audit")
def audit_group() -> None:
    """Take the audit trail away, and forget the oldest of it."""


_TIME = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])


def _utc(time: datetime | None) -> datetime | None:
    return time.replace(tzinfo=UTC) if time else None


@audit_group.command("export")
@click.option("--since", type=_TIME, help="From this time on, in UTC.")
@click.option("--until", type=_TIME, help="Up to this time, in UTC.")
@_operation
async def export(auth: Auth, since: datetime | None, until: datetime | None) -> None:
    """Print the trail as JSON lines, the newest first."""
    async for lines in audit_lines(auth, _utc(since), _utc(until)):
        click.echo(lines, nl=False)


@audit_group.command("prune")
@click.option("--before", type=_TIME, required=True, help="Forget what happened before this time, in UTC.")
@_operation
async def prune(auth: Auth, before: datetime) -> None:
    """Forget the oldest events. That, and when, stays on record."""
    try:
        pruned = await auth.audit.prune(before.replace(tzinfo=UTC))
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{pruned} events are gone.")
