"""`chatkeep doctor`: whether database, index and disk agree about documents, and whether one is really gone."""

import asyncio
import os
from pathlib import Path
from uuid import UUID

import click

from chatkeep.db import DatabaseUnusable
from chatkeep.index.port import IndexUnavailable
from chatkeep.settings import Settings
from chatkeep.settings_sources import SettingsInvalid, load_settings

_SAID = (
    ("points_without_rows", "with points in the index that no document owns"),
    ("files_without_rows", "originals that no document owns"),
    ("wrong_points", "ready, and not with all their points in the index"),
    ("rows_without_files", "whose original is missing; what was read of them is still found"),
)


@click.command("doctor")
@click.option("--repair", is_flag=True, help="Delete what belongs to no document, and let documents be indexed anew.")
@click.option("--erased", type=click.UUID, help="Prove that nothing is left of the document with this id.")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="A TOML file with settings.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Directory for database, keys and files.")
def doctor_command(config_file: Path | None, data_dir: Path | None, erased: UUID | None, *, repair: bool) -> None:
    """Compare documents in database, index and data directory. With the embedded index, stop the server first.

    It ends with 1 where something does not agree, or where something is left.
    """
    try:
        settings = load_settings({"data_dir": data_dir}, os.environ, Path.cwd(), config_file).settings
        well = asyncio.run(_prove(settings, str(erased)) if erased else _examine(settings, repair=repair))
    except (DatabaseUnusable, IndexUnavailable, SettingsInvalid, ValueError) as error:
        raise click.ClickException(str(error)) from None
    raise SystemExit(0 if well else 1)


async def _examine(settings: Settings, *, repair: bool) -> bool:
    from chatkeep.app_documents import doctor_for  # noqa: PLC0415 - an optional extra, and a heavy one

    async with doctor_for(settings, repair=repair) as doctor:
        findings = await doctor.examine()
    click.echo(f"{findings.documents} documents.")
    if findings.erasures_owed:
        click.echo(f"{findings.erasures_owed:>6}  deleted; the server still takes them out of the index")
    for name, said in _SAID:
        click.echo(f"{getattr(findings, name):>6}  {said}")
    if repair:
        click.echo("Repaired, as far as it can be. Documents are indexed anew by the server.")
    return repair or not any(getattr(findings, name) for name, _ in _SAID)


async def _prove(settings: Settings, document_id: str) -> bool:
    from chatkeep.app_documents import doctor_for  # noqa: PLC0415 - as above

    async with doctor_for(settings) as doctor:
        remains = await doctor.remains_of(document_id)
    click.echo(f"{remains.rows} rows, {remains.chunks} chunks, {remains.points} points, {remains.files} files.")
    click.echo("Something is left." if remains else "Nothing is left of it.")
    return not remains
