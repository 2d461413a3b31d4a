"""How keys follow each other, while tokens live and processes run."""

import asyncio
import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from authkeep import Auth, AuthSettings, InvalidToken, SigningKeys
from authkeep.device import Device
from authkeep.key_ring import OVERLAP, PUBLISH_AHEAD, KeyRing, RotationUnderWay
from authkeep.testing import FrozenClock, MemoryStore, signed_in

EVERY = timedelta(days=90)
DEVICE = Device("127.0.0.1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def rotating(path: Path, clock: FrozenClock) -> SigningKeys:
    return SigningKeys.load_or_create(path, clock=clock)


@pytest.fixture
def auth(make: Any, memory_store: MemoryStore, clock: FrozenClock, settings: AuthSettings, rotating: Any) -> Any:
    made: Auth = make(memory_store, clock, settings, rotating)
    return made


def published(keys: SigningKeys, clock: FrozenClock) -> list[str]:
    return [key["kid"] for key in keys.jwks(clock.seconds())["keys"]]


def test_a_key_is_published_before_it_signs_and_verifies_until_its_tokens_have_expired(
    rotating: SigningKeys, clock: FrozenClock
) -> None:
    old = rotating.ring.newest.kid
    rotating.rotate(clock.seconds())
    new = rotating.ring.newest.kid
    assert published(rotating, clock) == [old, new]
    assert rotating.signing(clock.seconds()).kid == old
    clock.advance(timedelta(seconds=PUBLISH_AHEAD - 1))
    assert rotating.signing(clock.seconds()).kid == old
    clock.advance(timedelta(seconds=1))
    assert rotating.signing(clock.seconds()).kid == new
    clock.advance(timedelta(seconds=OVERLAP - 1))
    assert published(rotating, clock) == [old, new]
    assert rotating.find(old, clock.seconds()) is not None
    clock.advance(timedelta(seconds=1))
    assert published(rotating, clock) == [new]
    assert rotating.find(old, clock.seconds()) is None


def test_the_overlap_covers_the_longest_token_and_the_lead_the_cached_public_keys(settings: AuthSettings) -> None:
    longest = AuthSettings(issuer="x", audience="x", access_lifetime=timedelta(hours=1)).access_lifetime
    assert longest.total_seconds() < OVERLAP
    assert PUBLISH_AHEAD > 300


async def test_nobody_is_signed_out_by_a_rotation(auth: Auth, clock: FrozenClock) -> None:
    user = await signed_in(auth)
    auth.keys.rotate(clock.seconds())
    token, refresh = user.access_token, user.refresh_token
    for _ in range(40):
        await auth.verify(token)
        clock.advance(timedelta(minutes=4))
        await auth.verify(token)
        signed = await auth.logins.refresh(refresh, DEVICE)
        token, refresh = signed.access_token, signed.refresh_token
    assert len(auth.keys.ring.live(clock.seconds())) == 1


async def test_a_token_of_a_key_that_dropped_out_is_refused(auth: Auth, clock: FrozenClock) -> None:
    user = await signed_in(auth)
    await auth.verify(user.access_token)
    auth.keys.replace(clock.seconds())
    with pytest.raises(InvalidToken):
        await auth.verify(user.access_token)
    assert len(auth.keys.jwks(clock.seconds())["keys"]) == 1
    # Only the tokens end, not the logins.
    renewed = await auth.logins.refresh(user.refresh_token, DEVICE)
    await auth.verify(renewed.access_token)


def test_a_second_rotation_waits_for_the_first(rotating: SigningKeys, path: Path, clock: FrozenClock) -> None:
    rotating.rotate(clock.seconds())
    before = path.read_bytes()
    with pytest.raises(RotationUnderWay):
        rotating.rotate(clock.seconds())
    assert path.read_bytes() == before
    clock.advance(timedelta(seconds=PUBLISH_AHEAD + OVERLAP))
    rotating.rotate(clock.seconds())
    assert len(rotating.ring.keys) == 2
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_clock_that_goes_back_still_signs(rotating: SigningKeys, clock: FrozenClock) -> None:
    rotating.rotate(clock.seconds())
    clock.advance(timedelta(seconds=PUBLISH_AHEAD + OVERLAP))
    rotating.rotate(clock.seconds())
    assert rotating.signing(0.0).kid == rotating.ring.keys[0].kid


def test_a_running_process_takes_over_what_another_wrote(rotating: SigningKeys, path: Path, clock: FrozenClock) -> None:
    running = SigningKeys.load(path)
    rotating.rotate(clock.seconds())
    assert running.find(rotating.ring.newest.kid, clock.seconds()) is None
    running.refresh(clock.seconds())
    assert running.ring.stored() == rotating.ring.stored()


def test_a_file_that_did_not_change_is_not_read(
    rotating: SigningKeys, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("authkeep.key_file.KeyFile.read", None)
    rotating.refresh(clock.seconds(), EVERY)


@pytest.mark.parametrize("damage", ["", "{", '{"keys": []}', "missing", "readable", "another root"])
def test_a_broken_file_leaves_the_keys_as_they_are_and_is_logged_once(
    rotating: SigningKeys, path: Path, clock: FrozenClock, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    before, content = rotating.ring, path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "readable":
        path.chmod(0o644)
    elif damage == "another root":
        path.write_text(KeyRing.generate("Ed25519", 0.0).stored())
    else:
        path.write_text(damage)
    for _ in range(3):
        rotating.refresh(clock.seconds(), EVERY)
    assert rotating.ring is before
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)
    rotating.rotate(clock.seconds())
    assert len(rotating.ring.keys) == 2


def test_a_directory_that_cannot_be_written_to_stops_no_server(
    rotating: SigningKeys, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("authkeep.key_file.os.open", refuse)
    clock.advance(EVERY)
    rotating.refresh(clock.seconds(), EVERY)
    assert len(rotating.ring.keys) == 1
    assert "Permission denied" in caplog.text


def test_keys_rotate_when_they_are_old_enough(rotating: SigningKeys, clock: FrozenClock) -> None:
    first = rotating.ring.newest.kid
    clock.advance(EVERY - timedelta(seconds=1))
    rotating.refresh(clock.seconds(), EVERY)
    rotating.refresh(clock.seconds(), None)
    assert rotating.ring.newest.kid == first
    clock.advance(timedelta(seconds=1))
    rotating.refresh(clock.seconds(), EVERY)
    assert rotating.ring.newest.kid != first


def test_of_many_processes_whose_time_has_come_one_rotates(path: Path, clock: FrozenClock) -> None:
    SigningKeys.load_or_create(path, clock=clock)
    processes = [SigningKeys.load(path) for _ in range(16)]
    clock.advance(EVERY)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda keys: keys.refresh(clock.seconds(), EVERY), processes))
    for keys in processes:
        keys.refresh(clock.seconds(), EVERY)
    assert len({keys.ring.stored() for keys in processes}) == 1
    assert len(processes[0].ring.keys) == 2


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_kill_in_the_middle_of_a_rotation_loses_nothing(path: Path, clock: FrozenClock, function: str) -> None:
    before = SigningKeys.load_or_create(path, clock=clock).ring.stored()
    where = "pathlib.Path.replace" if function == "replace" else "os.fsync"
    script = f"""
import os, pathlib, signal
from unittest.mock import patch
from authkeep import SigningKeys
keys = SigningKeys.load(pathlib.Path({str(path)!r}))
with patch({where!r}, lambda *_: os.kill(os.getpid(), signal.SIGKILL)):
    keys.rotate(0.0)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    survivor = SigningKeys.load(path)
    assert survivor.ring.stored() == before
    # The lock went with the process, and its draft is in nobody's way.
    survivor.rotate(clock.seconds())
    assert len(SigningKeys.load(path).ring.keys) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_a_rotation_by_root_leaves_the_file_to_its_owner(rotating: SigningKeys, path: Path, clock: FrozenClock) -> None:
    os.chown(path, 1234, 1234)
    rotating.rotate(clock.seconds())
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1234)


@pytest.mark.parametrize(("first", "second"), [("Ed25519", "HS256"), ("HS256", "Ed25519")])
async def test_a_change_of_algorithm_is_a_rotation(
    path: Path, make: Any, clock: FrozenClock, settings: AuthSettings, first: Any, second: Any
) -> None:
    store = MemoryStore()
    SigningKeys.load_or_create(path, algorithm=first, clock=clock)
    before = make(store, clock, settings, SigningKeys.load(path, algorithm=first))
    user = await signed_in(before)
    after = make(store, clock, settings, SigningKeys.load(path, algorithm=second))
    after.keys.refresh(clock.seconds(), None)
    await after.verify(user.access_token)
    assert after.keys.signing(clock.seconds()).algorithm == first
    clock.advance(timedelta(seconds=PUBLISH_AHEAD))
    renewed = await after.logins.refresh(user.refresh_token, DEVICE)
    await after.verify(renewed.access_token)
    assert after.keys.signing(clock.seconds()).algorithm == second
    before.keys.refresh(clock.seconds(), None)
    await before.verify(renewed.access_token)


async def test_a_running_auth_rotates_and_reloads_by_itself(auth: Auth, path: Path, clock: FrozenClock) -> None:
    clock.advance(EVERY)
    async with auth.running():
        while len(auth.keys.ring.keys) == 1:  # noqa: ASYNC110 - the thread that rotates tells nobody
            await asyncio.sleep(0.001)
    assert SigningKeys.load(path).ring.stored() == auth.keys.ring.stored()
