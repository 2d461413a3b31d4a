import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from joserfc.jwk import OKPKey

from authkeep import SigningKeys


def test_keys_are_created_once_and_readable_by_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    created = SigningKeys.load_or_create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert SigningKeys.load_or_create(path).jwks() == created.jwks()
    assert [item.name for item in tmp_path.iterdir()] == ["keys.json"]


def test_processes_that_start_at_once_share_the_keys_of_one(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        kids = set(pool.map(lambda _: SigningKeys.load_or_create(tmp_path / "keys.json").signing_kid, range(16)))
    assert len(kids) == 1


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_key_file_that_others_can_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "keys.json"
    SigningKeys.load_or_create(path)
    path.chmod(mode)
    with pytest.raises(ValueError, match="chmod 600"):
        SigningKeys.load(path)


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", "null", '{"keys": [], "root": "AA"}', '{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}']
)
def test_a_broken_key_file_is_refused_without_being_quoted(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.touch(mode=0o600)
    path.write_text(content)
    with pytest.raises(ValueError, match="not a key file") as refusal:
        SigningKeys.load(path)
    assert "c2VjcmV0" not in str(refusal.value)


def test_the_second_key_of_a_rotation_verifies_and_is_published() -> None:
    old, new = OKPKey.generate_key("Ed25519"), OKPKey.generate_key("Ed25519")
    keys = SigningKeys([new, old], b"r" * 32)
    assert keys.signing_kid == new.thumbprint()
    assert keys.find(old.thumbprint()) is not None
    assert {key["kid"] for key in keys.jwks()["keys"]} == {old.thumbprint(), new.thumbprint()}


def test_nothing_private_is_published(tmp_path: Path) -> None:
    keys = SigningKeys.load_or_create(tmp_path / "keys.json")
    stored = json.loads((tmp_path / "keys.json").read_text())
    published = json.dumps(keys.jwks())
    assert stored["keys"][0]["d"] not in published
    assert stored["root"] not in published


def test_derived_keys_differ_by_purpose_and_outlive_the_signing_key() -> None:
    first, second = OKPKey.generate_key("Ed25519"), OKPKey.generate_key("Ed25519")
    before, after = SigningKeys([first], b"r" * 32), SigningKeys([second, first], b"r" * 32)
    assert before.derive("a") == after.derive("a") != before.derive("b")


@pytest.mark.parametrize("count", [0, 3])
def test_one_or_two_keys(count: int) -> None:
    with pytest.raises(ValueError, match="one or two"):
        SigningKeys([OKPKey.generate_key("Ed25519") for _ in range(count)], b"r" * 32)


def test_public_and_foreign_keys_cannot_sign() -> None:
    for key in (OKPKey.generate_key("Ed25519", private=False), OKPKey.generate_key("Ed448")):
        with pytest.raises(ValueError, match="private Ed25519"):
            SigningKeys([key], b"r" * 32)
