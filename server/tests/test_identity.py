"""The door to authkeep: who needs the setup code, where limits are counted, how revocations are told."""

from pathlib import Path

import pytest

from authkeep.sql import PostgresFeed, SqliteFeed
from authkeep.valkey import ValkeyCounters, ValkeyFeed
from chatkeep.db import Database
from chatkeep.identity import make_auth, make_shared, reachable_by_others
from chatkeep.settings import Settings


@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        (Settings(), False),
        (Settings(host="localhost"), False),
        (Settings(host="::1"), False),
        (Settings(host="0.0.0.0"), True),  # noqa: S104 - the point
        (Settings(host="::"), True),
        (Settings(host="chat.example.org"), True),
        (Settings(public_url="https://chat.example.org"), True),
        (Settings(trusted_proxies=("10.0.0.1",)), True),
    ],
)
def test_the_setup_code_is_needed_where_strangers_can_connect(settings: Settings, needed: bool) -> None:
    assert reachable_by_others(settings) is needed


async def test_limits_are_shared_over_valkey(valkey_url: str, tmp_path: Path) -> None:
    settings = Settings(valkey_url=valkey_url, data_dir=tmp_path)
    database = Database(settings.effective_database_url)
    shared, same = make_shared(settings, database), make_shared(settings, database)
    one, other = shared.counters, same.counters
    assert isinstance(one, ValkeyCounters)
    assert await one.advance("k", 30.0, 60.0) == (True, 30.0)
    allowed, ahead = await other.advance("k", 30.0, 60.0)
    assert allowed
    assert 59.0 < ahead <= 60.0
    assert not (await one.advance("k", 30.0, 60.0))[0]
    assert one.outages == 0
    await shared.aclose()
    await same.aclose()
    await database.aclose()


@pytest.mark.parametrize(
    ("settings", "feed"),
    [
        (Settings(), SqliteFeed),
        (Settings(database_url="postgresql://chatkeep@db/chatkeep"), PostgresFeed),
        (Settings(database_url="postgresql://chatkeep@db/chatkeep", valkey_url="redis://valkey:6379/0"), ValkeyFeed),
        (Settings(valkey_url="redis://valkey:6379/0"), ValkeyFeed),
    ],
)
async def test_revocations_are_told_by_the_fastest_there_is(settings: Settings, feed: type, tmp_path: Path) -> None:
    settings = settings.model_copy(update={"data_dir": tmp_path})
    database = Database(settings.effective_database_url)
    shared = make_shared(settings, database)
    assert isinstance(make_auth(settings, database, shared).revocations.feed, feed)
    await shared.aclose()
    await database.aclose()
