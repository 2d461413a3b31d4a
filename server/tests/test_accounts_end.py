"""An account that ends takes its chats along, on SQLite and PostgreSQL; mail is set up or its absence is told."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chatkeep.chat.sessions import create_session, delete_sessions_of, list_sessions
from chatkeep.db import Database
from chatkeep.identity import OwnerId, make_auth
from chatkeep.settings import Settings


async def test_everything_of_an_owner_goes_and_nothing_of_another(
    database: Database, alice: OwnerId, bob: OwnerId
) -> None:
    for owner in (alice, alice, bob):
        async with database.writing(owner) as db:
            await create_session(db, owner, "Plans", None, datetime.now(UTC))
    async with database.writing(alice) as db:
        await delete_sessions_of(db, alice)
        await delete_sessions_of(db, alice)
    async with database.reading(alice) as db:
        assert (await list_sessions(db, alice, None, 10, None)).items == []
    async with database.reading(bob) as db:
        assert len((await list_sessions(db, bob, None, 10, None)).items) == 1


def settings(tmp_path: Path, **values: Any) -> Settings:
    return Settings(data_dir=tmp_path, **values)


MAIL = {"smtp_url": "smtps://u:secret@mail.example.org", "mail_from": "chatkeep <chat@example.org>"}


@pytest.mark.parametrize(
    ("values", "can_send"),
    [({}, True), ({"public_url": "https://chat.example.org"}, False), ({"host": "0.0.0.0", **MAIL}, True)],  # noqa: S104
)
async def test_mail_is_printed_on_ones_own_machine_and_sent_elsewhere(
    tmp_path: Path, database: Database, values: dict[str, Any], can_send: bool
) -> None:
    assert make_auth(settings(tmp_path, **values), database).out_tray.can_send is can_send


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"verify_email": True, "public_url": "https://chat.example.org"}, "CHATKEEP_VERIFY_EMAIL"),
        ({**MAIL, "mail_from": "nobody"}, "CHATKEEP_MAIL_FROM"),
        ({**MAIL, "smtp_url": "smtp://u:secret@relay?tls=none"}, "CHATKEEP_SMTP_URL"),
    ],
)
async def test_mail_that_cannot_be_sent_is_told_at_the_start_by_the_settings_name(
    tmp_path: Path, database: Database, values: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValueError, match=f"^{named}") as refused:
        make_auth(settings(tmp_path, **values), database)
    assert "secret" not in str(refused.value)


def test_half_of_a_mail_server_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="go together"):
        settings(tmp_path, smtp_url="smtps://mail.example.org")
