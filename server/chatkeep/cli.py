"""The command line: `chatkeep serve`, `config show`, `migrate`, `keys`, `users` and `audit`."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from chatkeep import identity
from chatkeep.app import ServerUnusable, prepare
from chatkeep.cli_doctor import doctor_command
from chatkeep.cli_users import audit_group, users_group
from chatkeep.ops import logs
from chatkeep.serve import serve
from chatkeep.settings_sources import LoadedSettings, SettingsInvalid, load_settings

Command = TypeVar("Command", bound=Callable[..., Any])


def _common_options(command: Command) -> Command:
    """Of every command that reads the settings."""
    for option in (
        click.option("--config", "config_file", type=click.Path(path_type=Path), help="A TOML file with settings."),
        click.option("--data-dir", type=click.Path(path_type=Path), help="Directory for database, keys and files."),
    ):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="chatkeep")
def main() -> None:
    """chatkeep: a self-hosted, multi-user, streaming LLM chat server."""


@main.command("serve")
@click.option("--host", help="Address to listen on; 127.0.0.1 by default.")
@click.option("--port", type=int, help="Port to listen on; 8000 by default, 0 picks a free one.")
@_common_options
def serve_command(config_file: Path | None, **given: Any) -> None:
    """Start the server: API and page on one port."""
    loaded = _load(given, config_file)
    logs.configure(loaded.settings.log_level)
    for warning in loaded.warnings:
        click.echo(f"Warning: {warning}", err=True)
    try:
        serve(loaded.settings)
    except ServerUnusable as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        # All is shut down by now; this is what a shell calls the end by Ctrl+C.
        sys.exit(128 + signal.SIGINT)


@main.group("config")
def config_group() -> None:
    """Look at the settings."""


@config_group.command("show")
@click.option("--host", help="As for serve.")
@click.option("--port", type=int, help="As for serve.")
@_common_options
def show_config(config_file: Path | None, **given: Any) -> None:
    """Print each setting's value and where it came from; secrets are masked."""
    loaded = _load(given, config_file)
    rows = loaded.rows()
    name_width = max(len(name) for name, _, _ in rows)
    value_width = max(len(value) for _, value, _ in rows)
    for name, value, source in rows:
        click.echo(f"{name:<{name_width}}  {value:<{value_width}}  {source}")
    for warning in loaded.warnings:
        click.echo(f"Warning: {warning}", err=True)


@main.command("migrate")
@_common_options
def migrate_command(config_file: Path | None, **given: Any) -> None:
    """Bring the database to the newest schema. `serve` does so by itself; this is for doing it beforehand."""
    loaded = _load(given, config_file)
    os.umask(0o077)
    try:
        asyncio.run(prepare(loaded.settings))
    except ServerUnusable as error:
        raise click.ClickException(str(error)) from None
    click.echo("The database has the newest schema.")


main.add_command(users_group)
main.add_command(audit_group)
main.add_command(doctor_command)


@main.group("keys")
def keys_group() -> None:
    """Look at the keys that sign access tokens, and replace them."""


@keys_group.command("list")
@_common_options
def list_keys(config_file: Path | None, **given: Any) -> None:
    """Print each key, and what it does until when. Nothing secret is shown."""
    keys = _keys(given, config_file)
    now = time.time()
    for key in keys.ring.live(now):
        if key.signs_from > now:
            does = f"published; signs from {_moment(key.signs_from)}"
        elif key is keys.signing(now):
            does = "signs" if key is keys.ring.newest else f"signs; verifies until {_moment(key.verifies_until)}"
        else:
            does = f"verifies until {_moment(key.verifies_until)}"
        click.echo(f"{key.kid:<43}  {key.algorithm:<7}  {does}")


@keys_group.command("rotate")
@click.option("--at-once", is_flag=True, help="For a key that has leaked: every access token ends now, logins do not.")
@_common_options
def rotate_keys(config_file: Path | None, *, at_once: bool, **given: Any) -> None:
    """Begin to use a new key. Servers that run take notice within seconds, and nobody is signed out."""
    keys = _keys(given, config_file)
    now = time.time()
    try:
        if at_once:
            keys.replace(now)
        else:
            keys.rotate(now)
    except (OSError, ValueError) as error:
        raise click.ClickException(f"Nothing was changed: {error}") from None
    old, new = keys.ring.keys[0], keys.ring.newest
    if at_once:
        click.echo(f"{new.kid} signs from now on. Every access token has ended; clients get new ones by refreshing.")
        return
    click.echo(f"{new.kid} is published now, and signs from {_moment(new.signs_from)}.")
    click.echo(f"{old.kid} signs until then, verifies until {_moment(old.verifies_until)}, and then drops out.")


def _keys(given: dict[str, Any], config_file: Path | None) -> identity.SigningKeys:
    try:
        return identity.signing_keys(_load(given, config_file).settings, create=False)
    except ValueError as error:
        raise click.ClickException(str(error)) from None


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _load(given: dict[str, Any], config_file: Path | None) -> LoadedSettings:
    try:
        return load_settings(given, os.environ, Path.cwd(), config_file)
    except SettingsInvalid as error:
        click.echo("chatkeep cannot start with these settings:", err=True)
        click.echo(str(error), err=True)
        sys.exit(2)
