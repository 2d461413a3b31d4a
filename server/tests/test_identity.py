"""The door to authkeep: who needs the setup code, and where limits are counted."""

from pathlib import Path

import pytest

from authkeep.valkey import ValkeyCounters
from chatkeep.identity import make_counters, reachable_by_others
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
    one, close_one = make_counters(settings)
    other, close_other = make_counters(settings)
    assert isinstance(one, ValkeyCounters)
    assert await one.advance("k", 30.0, 60.0) == (True, 30.0)
    allowed, ahead = await other.advance("k", 30.0, 60.0)
    assert allowed
    assert 59.0 < ahead <= 60.0
    assert not (await one.advance("k", 30.0, 60.0))[0]
    assert one.outages == 0
    await close_one()
    await close_other()
