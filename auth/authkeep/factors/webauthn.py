"""Passkeys: WebAuthn Level 3, and the one door to py_webauthn.

One rule for every ceremony: the user is verified (PIN, fingerprint, face), and the credential is discoverable. So each
passkey is two factors in one, and opens an account by itself or after a password alike. Attestation is not asked for:
what it would say is which make to trust, and that is for employers to decide, not for people's own phones.

Whatever goes wrong is None: a credential is made of fields that an attacker writes, and which one is at fault helps
nobody else.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

import webauthn
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    parse_attestation_object,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.options_to_json_dict import options_to_json_dict
from webauthn.helpers.structs import (
    AttestationFormat,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from authkeep.store import Passkey, User

_LOCAL = "localhost"
_MAX_ID_BYTES = 1023  # WebAuthn, section 4, "Credential ID"
_MAX_KEY_BYTES = 2048
_PORTS = {"https": 443, "http": 80}
_TIMEOUT_MS = 300_000
_ALGORITHMS = [
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
# In this order of preference by the specification of each; "none" is what browsers make of all but the second.
_FORMATS = (AttestationFormat.NONE, AttestationFormat.PACKED)


@dataclass(frozen=True, slots=True)
class NewCredential:
    """What an authenticator has just made; see `authkeep.store.Passkey`."""

    credential_id: str
    public_key: bytes
    sign_count: int
    transports: tuple[str, ...]
    aaguid: str
    backed_up: bool


@dataclass(frozen=True, slots=True)
class Assertion:
    """What an authenticator has just signed.

    Attributes:
        synced: whether the key may leave its device, as those of password managers do.
    """

    sign_count: int
    backed_up: bool
    synced: bool


class RelyingParty:
    """Args:
    name: of the product, shown by the browser.
    public_url: where people reach it; None for a developer's machine, on http://localhost at any port.
    """

    def __init__(self, name: str, public_url: str | None) -> None:
        self._name = name
        parts = urlsplit(public_url or f"http://{_LOCAL}")
        self._rp_id = parts.hostname or _LOCAL
        # Never the Host of a request: an attacker may choose that.
        self._origin = _origin(parts) if public_url else None

    def creation_options(self, user: User, challenge: bytes, existing: Sequence[Passkey]) -> dict[str, Any]:
        """For `PublicKeyCredential.parseCreationOptionsFromJSON()`."""
        options = webauthn.generate_registration_options(
            rp_id=self._rp_id,
            rp_name=self._name,
            user_id=handle_of(user.id),
            user_name=user.email,
            user_display_name=user.name or user.email,
            challenge=challenge,
            timeout=_TIMEOUT_MS,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[_descriptor(passkey) for passkey in existing],
            supported_pub_key_algs=_ALGORITHMS,
        )
        return options_to_json_dict(options)

    def request_options(self, challenge: bytes, allowed: Sequence[Passkey] = ()) -> dict[str, Any]:
        """For `PublicKeyCredential.parseRequestOptionsFromJSON()`; with none allowed, the user chooses an account."""
        options = webauthn.generate_authentication_options(
            rp_id=self._rp_id,
            challenge=challenge,
            timeout=_TIMEOUT_MS,
            allow_credentials=[_descriptor(passkey) for passkey in allowed],
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return options_to_json_dict(options)

    def verify_registration(self, credential: Mapping[str, Any], challenge: bytes) -> NewCredential | None:
        """A credential by `PublicKeyCredential.toJSON()`, if it is a good answer to the challenge."""
        try:
            origin = self._origin_of(credential)
            attestation = parse_attestation_object(base64url_to_bytes(credential["response"]["attestationObject"]))
            # Certificates are parsed by nobody: none was asked for (WebAuthn, section 5.4.7).
            if attestation.fmt not in _FORMATS or attestation.att_stmt.x5c is not None:
                return None
            verified = webauthn.verify_registration_response(
                credential=dict(credential),
                expected_challenge=challenge,
                expected_rp_id=self._rp_id,
                expected_origin=origin,
                require_user_verification=True,
                supported_pub_key_algs=_ALGORITHMS,
            )
            key, credential_id = verified.credential_public_key, verified.credential_id
            if len(key) > _MAX_KEY_BYTES or len(credential_id) > _MAX_ID_BYTES:
                return None
            if bytes_to_base64url(credential_id) != credential["id"]:
                return None
            # A key that verifies nothing would lock its user out later.
            decoded_public_key_to_cryptography(decode_credential_public_key(key))
        except Exception:  # noqa: BLE001 - the library raises its own errors, and whatever its parsers meet
            return None
        return NewCredential(
            credential["id"],
            key,
            verified.sign_count,
            _transports(credential["response"].get("transports")),
            verified.aaguid,
            verified.credential_backed_up,
        )

    def verify_assertion(self, credential: Mapping[str, Any], challenge: bytes, passkey: Passkey) -> Assertion | None:
        """Whether this passkey signed the challenge. Whether its counter has risen is for the store to say, at once
        with noting it.
        """
        try:
            verified = webauthn.verify_authentication_response(
                credential=dict(credential),
                expected_challenge=challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self._origin_of(credential),
                credential_public_key=passkey.public_key,
                credential_current_sign_count=0,
                require_user_verification=True,
            )
            handle = credential["response"].get("userHandle")
            if handle is not None and base64url_to_bytes(handle) != handle_of(passkey.user_id):
                return None
        except Exception:  # noqa: BLE001 - as above
            return None
        synced = verified.credential_device_type is CredentialDeviceType.MULTI_DEVICE
        return Assertion(verified.new_sign_count, verified.credential_backed_up, synced)

    def _origin_of(self, credential: Mapping[str, Any]) -> str:
        """The origin that the browser wrote down, if it is ours.

        Raises:
            ValueError: it is not, or the page was framed by another site (WebAuthn, section 13.4.9).
        """
        client_data = json.loads(base64url_to_bytes(credential["response"]["clientDataJSON"]))
        origin = client_data["origin"]
        if client_data.get("crossOrigin", False) is not False or "topOrigin" in client_data:
            raise ValueError("framed by another site")
        parts = urlsplit(origin)
        is_local = parts.scheme in ("http", "https") and parts.hostname == _LOCAL and origin == _origin(parts)
        if not (is_local if self._origin is None else origin == self._origin):
            raise ValueError("another origin")
        return str(origin)


def handle_of(user_id: str) -> bytes:
    """The user handle: the opaque id, and nothing about the person (WebAuthn, section 14.6.1)."""
    return user_id.encode()


def _origin(parts: SplitResult) -> str:
    """As browsers write it (RFC 6454, section 6.2): lower case, without the port that the scheme implies."""
    port = "" if parts.port in (None, _PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{parts.hostname}{port}"


def _descriptor(passkey: Passkey) -> PublicKeyCredentialDescriptor:
    transports = [AuthenticatorTransport(transport) for transport in passkey.transports]
    return PublicKeyCredentialDescriptor(id=base64url_to_bytes(passkey.credential_id), transports=transports or None)


def _transports(presented: object) -> tuple[str, ...]:
    known = [transport.value for transport in AuthenticatorTransport]
    return tuple(name for name in known if isinstance(presented, list) and name in presented)
