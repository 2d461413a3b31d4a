"""The key file, and what a key is. How keys follow each other is in test_key_rotation.py."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import OctKey, OKPKey

from authkeep import SigningKeys
from authkeep.key_ring import KeyRing, SigningKey

SECRET = "c2VjcmV0" * 5


def ed25519() -> SigningKey:
    return SigningKey.generate("Ed25519")


def test_keys_are_created_once_and_readable_by_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    created = SigningKeys.load_or_create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert SigningKeys.load_or_create(path).jwks(0.0) == created.jwks(0.0)
    assert [item.name for item in tmp_path.iterdir()] == ["keys.json"]


def test_processes_that_start_at_once_share_the_keys_of_one(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        rings = list(pool.map(lambda _: SigningKeys.load_or_create(tmp_path / "keys.json").ring, range(16)))
    assert len({ring.newest.kid for ring in rings}) == 1


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_key_file_that_others_can_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "keys.json"
    SigningKeys.load_or_create(path)
    path.chmod(mode)
    with pytest.raises(ValueError, match="chmod 600"):
        SigningKeys.load(path)


@pytest.mark.parametrize(
    "content",
    [
        "", "{}", "[]", "null", "\x00", '{"keys": [], "root": "AA"}',
        '{"keys": [{"kty": "oct", "k": "%s"}], "root": "AA"}',
        '{"keys": [{"kty": "oct", "k": "%s", "exp": "soon"}], "root": "AA"}', '{"keys": "%s"}', "[" * 100_000,
    ],
)  # fmt: skip
def test_a_broken_key_file_is_refused_without_being_quoted(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.touch(mode=0o600)
    path.write_text(content.replace("%s", SECRET))
    with pytest.raises(ValueError, match="not a key file") as refusal:
        SigningKeys.load(path)
    assert SECRET not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_nothing_private_is_published_or_shown(tmp_path: Path) -> None:
    keys = SigningKeys.load_or_create(tmp_path / "keys.json")
    stored = json.loads((tmp_path / "keys.json").read_text())
    shown = json.dumps(keys.jwks(0.0)) + repr(keys.ring) + repr(keys.ring.newest)
    assert stored["keys"][0]["d"] not in shown
    assert stored["root"] not in shown
    assert repr(keys.ring.root) not in shown


def test_a_shared_secret_is_never_published(tmp_path: Path) -> None:
    keys = SigningKeys.load_or_create(tmp_path / "keys.json", algorithm="HS256")
    stored = json.loads((tmp_path / "keys.json").read_text())["keys"][0]
    assert keys.jwks(0.0) == {"keys": []}
    assert stored["k"] not in repr(keys.ring)
    # The thumbprint of a secret would go out with every token.
    key = keys.ring.newest
    assert isinstance(key.jwk, OctKey)
    assert key.kid != key.jwk.thumbprint()


def test_what_is_stored_reads_back(tmp_path: Path) -> None:
    ring = KeyRing.generate("HS256", 1000.5).rotated("Ed25519", 2000.0)
    again = KeyRing.read(ring.stored().encode())
    assert json.loads(again.stored()) == json.loads(ring.stored())


def test_a_key_of_no_named_algorithm_is_read_as_its_kind() -> None:
    jwk = OKPKey.generate_key("Ed25519")
    key = SigningKey.read(jwk.as_dict(private=True))
    assert (key.kid, key.algorithm) == (jwk.thumbprint(), "Ed25519")


@pytest.mark.parametrize(
    "stored",
    [
        {"kty": "oct", "k": "A" * 42},
        {"kty": "oct", "k": "A" * 43, "alg": "Ed25519"},
        {"kty": "oct", "k": ""},
        OKPKey.generate_key("Ed25519").as_dict(private=True) | {"alg": "HS256"},
        OKPKey.generate_key("Ed25519", private=False).as_dict(private=False),
        OKPKey.generate_key("Ed448").as_dict(private=True),
    ],
    ids=["31 bytes", "a secret for Ed25519", "empty", "a key pair for HS256", "a public key", "another curve"],
)
def test_one_key_means_one_algorithm(stored: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not a key file"):
        KeyRing.read(json.dumps({"keys": [stored], "root": "A" * 43}).encode())


def test_derived_keys_differ_by_purpose_and_outlive_the_signing_key() -> None:
    before = SigningKeys(KeyRing((ed25519(),), b"r" * 32))
    after = SigningKeys(before.ring.rotated("Ed25519", 0.0))
    assert before.derive("a") == after.derive("a") != before.derive("b")


@pytest.mark.parametrize("count", [0, 3])
def test_one_or_two_keys(count: int) -> None:
    with pytest.raises(ValueError, match="one or two"):
        KeyRing(tuple(ed25519() for _ in range(count)), b"r" * 32)


def test_a_ring_has_a_key_that_lasts_names_that_differ_and_a_long_root() -> None:
    key = ed25519()
    ending = SigningKey(key.kid, key.algorithm, key.jwk, verifies_until=5.0)
    for keys in ((ending,), (key, key)):
        with pytest.raises(ValueError, match="newest"):
            KeyRing(keys, b"r" * 32)
    with pytest.raises(ValueError, match="root"):
        KeyRing((key,), b"r" * 31)


def test_a_link_to_the_key_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    link = tmp_path / "keys.json"
    link.symlink_to(tmp_path / "secrets" / "real.json")
    keys = SigningKeys.load_or_create(link)
    keys.rotate(0.0)
    assert link.is_symlink()
    assert SigningKeys.load(link).ring.newest.kid == keys.ring.newest.kid
    assert (tmp_path / "secrets" / "real.json").stat().st_mode & 0o777 == 0o600
