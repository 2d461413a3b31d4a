"""Our side of the protocol, towards one provider: where to send a browser, and what its coming back proves."""

import base64
import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from authkeep.clock import Clock
from authkeep.oidc.callbacks import Callback
from authkeep.oidc.discovery import Metadata, discover
from authkeep.oidc.errors import ExternalSignInDenied, ExternalSignInFailed, ProviderUnavailable
from authkeep.oidc.id_tokens import Expected, IdTokenRefused, UnknownKey, check_subject, verify_id_token
from authkeep.oidc.json_over_http import Answer, JsonOverHttp, unusable
from authkeep.oidc.key_sets import KeySet, read_key_set
from authkeep.oidc.providers import Provider
from authkeep.oidc.refreshed import Refreshed

_log = logging.getLogger("authkeep.oidc")
_MAX_TOKEN = 64 * 1024


@dataclass(frozen=True, slots=True)
class Attempt:
    """What belongs to one sign-in and to no other.

    Attributes:
        verifier: of PKCE (RFC 7636); what the browser carries is its hash.
        max_age: seconds since the user proved who they are, at most; None: a sign-in of last week will do.
    """

    redirect_uri: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    max_age: int | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """Who has signed in, as the provider says. Only issuer and subject say who that is.

    Attributes:
        email: empty where it names none.
        email_verified: it says so in as many words, or the operator does.
        second_factor: it asked for one, in words that the operator trusts.
        proved_at: Unix seconds; None where it does not say.
    """

    issuer: str
    subject: str
    email: str
    email_verified: bool
    name: str
    second_factor: bool
    proved_at: float | None


class RelyingParty:
    """Metadata and keys are fetched when they are first needed: a provider that is away stops no start."""

    def __init__(self, provider: Provider, http: JsonOverHttp, clock: Clock) -> None:
        self.provider = provider
        self._http = http
        self._clock = clock
        self._metadata = Refreshed(self._discover, clock)
        self._keys = Refreshed(self._fetch_keys, clock)

    async def authorization_url(self, attempt: Attempt) -> str:
        """Where the browser goes.

        Raises:
            ProviderUnavailable: the provider does not say.
        """
        metadata = await self._metadata.get()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(attempt.verifier.encode()).digest()).rstrip(b"=")
        query = {
            "response_type": "code",
            "client_id": self.provider.client_id,
            "redirect_uri": attempt.redirect_uri,
            "scope": " ".join(self.provider.scopes),
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": challenge.decode(),
            "code_challenge_method": "S256",
        }
        if attempt.max_age is not None:
            query |= {"prompt": "login", "max_age": str(attempt.max_age)}
        endpoint = metadata.authorization_endpoint
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    async def prove(self, callback: Callback, attempt: Attempt) -> Proof:
        """Redeem what the browser brought back.

        Raises:
            ExternalSignInDenied: the provider, or the person there, said no.
            ExternalSignInFailed: it proves nothing.
            ProviderUnavailable: the provider does not answer, or not as one does.
        """
        metadata = await self._metadata.get()
        self._check_origin(callback, metadata)
        if callback.code is None:
            raise ExternalSignInDenied
        tokens = await self._redeem(callback.code, attempt, metadata)
        access_token, id_token = _text(tokens, "access_token"), _text(tokens, "id_token")
        expected = Expected(
            issuer=metadata.issuer,
            client_id=self.provider.client_id,
            algorithms=metadata.algorithms,
            nonce=attempt.nonce,
            access_token=access_token,
            max_age=attempt.max_age,
        )
        try:
            claims = await self._verified(id_token, expected)
            return self._proof(claims, await self._more_about(claims, access_token, metadata))
        except IdTokenRefused as refusal:
            _log.warning("An ID token of %s is refused: %s", self.provider.id, refusal)
            raise ExternalSignInFailed from None

    @staticmethod
    def _check_origin(callback: Callback, metadata: Metadata) -> None:
        """RFC 9207, section 2.4: before anything else is believed, an error included."""
        if callback.issuer is None and metadata.names_itself:
            raise ExternalSignInFailed
        if callback.issuer not in (None, metadata.issuer):
            raise ExternalSignInFailed

    async def _redeem(self, code: str, attempt: Attempt, metadata: Metadata) -> Mapping[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": attempt.redirect_uri,
            "code_verifier": attempt.verifier,
        }
        credentials, headers = self._authentication(metadata)
        answer = await self._http.post(metadata.token_endpoint, form | credentials, headers)
        if answer.status != 200:
            raise self._refusal(answer, metadata)
        if str(answer.members.get("token_type", "")).lower() != "bearer":
            raise unusable(metadata.token_endpoint, "its token_type is not Bearer")
        return answer.members

    def _authentication(self, metadata: Metadata) -> tuple[dict[str, str], dict[str, str]]:
        """Members of the form and headers that say which client this is (RFC 6749, section 2.3.1)."""
        client_id, secret = self.provider.client_id, self.provider.client_secret
        if secret is None:
            return {"client_id": client_id}, {}
        offered = metadata.client_authentications
        way = self.provider.client_authentication or (
            "client_secret_basic" if "client_secret_basic" in offered else "client_secret_post"
        )
        if way not in offered:
            raise unusable(metadata.token_endpoint, "it takes no client secret, by Basic or by the form")
        if way == "client_secret_post":
            return {"client_id": client_id, "client_secret": secret}, {}
        pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}".encode()
        return {}, {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}

    def _refusal(self, answer: Answer, metadata: Metadata) -> ExternalSignInFailed | ProviderUnavailable:
        if answer.status == 400 and answer.members.get("error") == "invalid_grant":
            return ExternalSignInFailed()
        # Its own words stay out of the log: nobody knows what is in them.
        return unusable(metadata.token_endpoint, f"status {answer.status}; are client_id and secret right?")

    async def _verified(self, id_token: str, expected: Expected) -> Mapping[str, Any]:
        now = self._clock.seconds()
        try:
            return verify_id_token(id_token, await self._keys.get(), expected, now)
        except UnknownKey:
            return verify_id_token(id_token, await self._keys.renew(), expected, now)

    async def _more_about(self, claims: Mapping[str, Any], access_token: str, metadata: Metadata) -> Mapping[str, Any]:
        """The claims, and those of the userinfo endpoint where the ID token names no address."""
        if "email" in claims or metadata.userinfo_endpoint is None or "email" not in self.provider.scopes:
            return claims
        info = await self._http.get(metadata.userinfo_endpoint, bearer=access_token)
        # OpenID Connect Core, section 5.3.2: another subject's answer was meant for another sign-in.
        if info.get("sub") != claims["sub"]:
            raise IdTokenRefused("userinfo is about another subject")
        return {name: info[name] for name in ("email", "email_verified", "name") if name in info} | dict(claims)

    def _proof(self, claims: Mapping[str, Any], about: Mapping[str, Any]) -> Proof:
        email, name = about.get("email"), about.get("name")
        words = {claims.get("acr")} | set(_list_of_texts(claims.get("amr")))
        return Proof(
            issuer=self.provider.issuer,
            subject=check_subject(claims["sub"]),
            email=email if type(email) is str else "",
            # The text "true" is what a field of a form looks like, and people fill in forms.
            email_verified=about.get("email_verified") is True or self.provider.email_always_verified,
            name=name if type(name) is str else "",
            second_factor=bool(words & self.provider.trusted_mfa),
            proved_at=float(claims["auth_time"]) if "auth_time" in claims else None,
        )

    async def _discover(self) -> Metadata:
        return await discover(self._http, self.provider.issuer)

    async def _fetch_keys(self) -> KeySet:
        url = (await self._metadata.get()).jwks_uri
        document = await self._http.get(url)
        try:
            return read_key_set(document)
        except ValueError as error:
            raise unusable(url, str(error)) from None


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    if type(value) is not str or not 0 < len(value) <= _MAX_TOKEN or not value.isascii() or not value.isprintable():
        raise unusable("token endpoint", f"{name} is missing or no text")
    return value


def _list_of_texts(value: object) -> list[str]:
    return [item for item in value if type(item) is str] if isinstance(value, list) else []
