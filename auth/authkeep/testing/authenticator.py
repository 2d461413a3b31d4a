"""An authenticator in software: real CBOR, real COSE keys, real signatures, and whatever lie a test needs told.

It writes its bytes by itself, and not with the library that reads them: an oracle of its own (WebAuthn Level 3,
section 6).
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ELIGIBLE, BACKED_UP, ATTESTED = 0x01, 0x04, 0x08, 0x10, 0x40
PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def authenticator_code(secret: str, seconds: float) -> str:
    """The code that an app with this base32 secret shows at this Unix time (RFC 4226, section 5.3)."""
    mac = hmac.digest(base64.b32decode(secret), (int(seconds) // 30).to_bytes(8, "big"), "sha1")
    start = mac[-1] & 0x0F
    number = int.from_bytes(mac[start : start + 4], "big") & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"


def cbor(value: object) -> bytes:
    """The deterministic CBOR (RFC 8949) of the few types that WebAuthn is made of."""
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(map(cbor, value))
    assert isinstance(value, dict)
    return _head(5, len(value)) + b"".join(cbor(key) + cbor(item) for key, item in value.items())


def _head(major: int, length: int) -> bytes:
    if length < 24:
        return bytes([major << 5 | length])
    for extra, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if length < 1 << 8 * size:
            return bytes([major << 5 | extra]) + length.to_bytes(size, "big")
    raise ValueError(length)


def b64url(data: bytes) -> str:
    """Without padding, as WebAuthn writes it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


@dataclass
class SoftwarePasskey:
    """One credential.

    Attributes:
        counts: whether it counts its signatures, as hardware keys do; password managers say 0 for ever.
    """

    rp_id: str
    user_handle: bytes
    key: PrivateKey
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    sign_count: int = 0
    counts: bool = False


class SoftwareAuthenticator:
    """Makes passkeys and uses them. What its attributes say goes into what it signs, true or not.

    Attributes:
        origin: of the page that the browser claims to be on.
        verifies: whether the user is verified.
        synced: whether keys may leave the device, and have.
        algorithm: COSE: -8 for EdDSA, -7 for ES256, -257 for RS256.
    """

    def __init__(self, origin: str, *, algorithm: int = -8, synced: bool = False, counts: bool = False) -> None:
        self.origin = origin
        self.algorithm = algorithm
        self.verifies = True
        self.present = True
        self.synced = synced
        self.counts = counts
        self.aaguid = bytes(16)
        self.passkeys: list[SoftwarePasskey] = []

    def create(self, options: Mapping[str, Any], **client_data: Any) -> dict[str, Any]:
        """As `navigator.credentials.create()` and `toJSON()`. `client_data` overrides what the browser would say."""
        passkey = SoftwarePasskey(
            options["rp"]["id"], _unpadded(options["user"]["id"]), self._new_key(), counts=self.counts
        )
        self.passkeys.append(passkey)
        attested = self.aaguid + len(passkey.credential_id).to_bytes(2, "big") + passkey.credential_id
        attested += cbor(_cose(passkey.key))
        auth_data = self._auth_data(passkey, ATTESTED) + attested
        return self._envelope(
            passkey,
            {
                "clientDataJSON": b64url(self._client_data("webauthn.create", options, client_data)),
                "attestationObject": b64url(cbor({"fmt": "none", "attStmt": {}, "authData": auth_data})),
                "transports": ["internal"],
            },
        )

    def get(
        self, options: Mapping[str, Any], passkey: SoftwarePasskey | None = None, **client_data: Any
    ) -> dict[str, Any]:
        """As `navigator.credentials.get()` and `toJSON()`."""
        passkey = passkey or self.passkeys[-1]
        if passkey.counts:
            passkey.sign_count += 1
        client = self._client_data("webauthn.get", options, client_data)
        auth_data = self._auth_data(passkey)
        return self._envelope(
            passkey,
            {
                "clientDataJSON": b64url(client),
                "authenticatorData": b64url(auth_data),
                "signature": b64url(_sign(passkey.key, auth_data + hashlib.sha256(client).digest())),
                "userHandle": b64url(passkey.user_handle),
            },
        )

    def _new_key(self) -> PrivateKey:
        if self.algorithm == -8:
            return ed25519.Ed25519PrivateKey.generate()
        if self.algorithm == -7:
            return ec.generate_private_key(ec.SECP256R1())
        return rsa.generate_private_key(65537, 2048)

    def _auth_data(self, passkey: SoftwarePasskey, flags: int = 0) -> bytes:
        flags |= (PRESENT if self.present else 0) | (VERIFIED if self.verifies else 0)
        flags |= (ELIGIBLE | BACKED_UP) if self.synced else 0
        return hashlib.sha256(passkey.rp_id.encode()).digest() + bytes([flags]) + passkey.sign_count.to_bytes(4, "big")

    def _client_data(self, kind: str, options: Mapping[str, Any], overrides: Mapping[str, Any]) -> bytes:
        said = {"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False}
        return json.dumps({**said, **overrides}).encode()

    @staticmethod
    def _envelope(passkey: SoftwarePasskey, response: dict[str, Any]) -> dict[str, Any]:
        identifier = b64url(passkey.credential_id)
        return {"id": identifier, "rawId": identifier, "type": "public-key", "response": response}


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "==")


def _cose(key: PrivateKey) -> dict[int, object]:
    """The public half (RFC 9053)."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return {1: 1, 3: -8, -1: 6, -2: key.public_key().public_bytes_raw()}
    if isinstance(key, ec.EllipticCurvePrivateKey):
        point = key.public_key().public_numbers()
        return {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
    numbers = key.public_key().public_numbers()
    return {1: 3, 3: -257, -1: numbers.n.to_bytes(256, "big"), -2: numbers.e.to_bytes(3, "big")}


def _sign(key: PrivateKey, data: bytes) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(SHA256()))
    return key.sign(data, padding.PKCS1v15(), SHA256())
