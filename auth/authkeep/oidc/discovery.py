"""Discovery: what a provider says about itself (OpenID Connect Discovery 1.0, RFC 8414)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from authkeep.oidc.json_over_http import JsonOverHttp, unusable
from authkeep.oidc.provider_urls import check_endpoint

# Signatures by a key that only the provider has. No `none`, and no HMAC: its key would be our own secret.
ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"},
)


@dataclass(frozen=True, slots=True)
class Metadata:
    """Attributes:
    algorithms: what ID tokens may be signed with: what the provider names, of what we take.
    client_authentications: of the token endpoint.
    names_itself: it sends `iss` to the callback (RFC 9207), so one without it is not from there.
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str | None
    jwks_uri: str
    algorithms: frozenset[str]
    client_authentications: frozenset[str]
    names_itself: bool


async def discover(http: JsonOverHttp, issuer: str) -> Metadata:
    """Ask the issuer for its metadata.

    Raises:
        ProviderUnavailable: it has none, or none that can be used. The log says why.
    """
    # Section 4: a slash at the issuer's end goes, and stays part of the issuer.
    url = f"{issuer.removesuffix('/')}/.well-known/openid-configuration"
    document = await http.get(url)
    try:
        return read_metadata(document, issuer)
    except ValueError as error:
        raise unusable(url, str(error)) from None


def read_metadata(document: Mapping[str, Any], issuer: str) -> Metadata:
    """Raises:
    ValueError: it is another issuer's, or incomplete, or asks for what we do not do.
    """
    # Section 4.3: exactly, or one provider could speak for another.
    if document.get("issuer") != issuer:
        raise ValueError("its issuer is not to the letter the one in the settings")
    algorithms = ALGORITHMS & _texts(document, "id_token_signing_alg_values_supported", ("RS256",))
    if not algorithms:
        raise ValueError("it signs ID tokens with nothing that can be verified here")
    if "code" not in _texts(document, "response_types_supported", ("code",)):
        raise ValueError("it has no authorization code flow")
    if "S256" not in _texts(document, "code_challenge_methods_supported", ("S256",)):
        raise ValueError("it has PKCE without S256")
    names_itself = document.get("authorization_response_iss_parameter_supported", False)
    if type(names_itself) is not bool:
        raise ValueError("authorization_response_iss_parameter_supported is neither true nor false")
    return Metadata(
        issuer=issuer,
        authorization_endpoint=_endpoint(document, "authorization_endpoint", issuer),
        token_endpoint=_endpoint(document, "token_endpoint", issuer),
        userinfo_endpoint=_endpoint(document, "userinfo_endpoint", issuer) if "userinfo_endpoint" in document else None,
        jwks_uri=_endpoint(document, "jwks_uri", issuer),
        algorithms=algorithms,
        client_authentications=_texts(document, "token_endpoint_auth_methods_supported", ("client_secret_basic",)),
        names_itself=names_itself,
    )


def _endpoint(document: Mapping[str, Any], name: str, issuer: str) -> str:
    try:
        return check_endpoint(document.get(name), issuer)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


def _texts(document: Mapping[str, Any], name: str, default: tuple[str, ...]) -> frozenset[str]:
    values = document.get(name, default)
    if not isinstance(values, list | tuple) or not all(type(value) is str for value in values):
        raise ValueError(f"{name} is not a list of texts")
    return frozenset(values)
