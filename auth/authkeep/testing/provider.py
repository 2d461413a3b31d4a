"""An OpenID Connect provider for tests: a real socket, real signatures, and as much misbehaviour as a test asks for."""

import asyncio
import base64
import contextlib
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey
from uuid_utils.compat import uuid7

from authkeep.auth import Auth
from authkeep.clock import Clock, SystemClock
from authkeep.oidc import Provider
from authkeep.store import Identity
from authkeep.testing.people import SignedInUser

Answer: TypeAlias = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that has come in."""

    path: str
    headers: Mapping[str, str]
    form: Mapping[str, str]


@dataclass
class ScriptedProvider:
    """A provider at `issuer`, once it is `running`; it signs in whoever comes, as `claims` says.

    Attributes:
        metadata, claims, header, tokens, userinfo: what differs from good behaviour; None leaves a member out.
        key, keys: the one that signs, and what is published: public keys as JWKs.
        answers: raw HTTP in place of what a path would answer.
        asked: what has come in so far.
    """

    client_id: str = "chat"
    client_secret: str | None = "a secret of this test"  # noqa: S105
    clock: Clock = field(default_factory=SystemClock)
    metadata: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    key: RSAKey = field(default_factory=lambda: new_key("first"))
    issuer: str = ""

    def __post_init__(self) -> None:
        self.keys: list[Any] = [self.key.as_dict(private=False)]
        self._codes: dict[str, dict[str, str]] = {}
        self._open: list[asyncio.StreamWriter] = []

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["ScriptedProvider"]:
        """Listen on a free port of loopback."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.issuer = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for writer in self._open:
                writer.close()
            await asyncio.gather(*(writer.wait_closed() for writer in self._open), return_exceptions=True)
            await server.wait_closed()

    def provider(self, **settings: Any) -> Provider:
        """What a host is to be told about it."""
        given = {"id": "scripted", "name": "Scripted", "issuer": self.issuer, "client_id": self.client_id}
        return Provider(**{**given, "client_secret": self.client_secret, **settings})

    def authorize(self, authorization_url: str, **changes: str | None) -> str:
        """What a browser would bring back from there: the callback's address, its parameters changed as one likes."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(authorization_url).query).items()}
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        query = {"code": code, "state": asked["state"], "iss": self.issuer} | changes
        return f"{asked['redirect_uri']}?{urlencode({name: value for name, value in query.items() if value})}"

    def id_token(self, asked: Mapping[str, str], access_token: str) -> str:
        """Signed, with the claims of this test."""
        now = int(self.clock.seconds())
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        claims = {
            "iss": self.issuer,
            "aud": self.client_id,
            "sub": "alice-at-the-provider",
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            "at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
            "email": "alice@example.com",
            "email_verified": True,
            "name": "Alice",
        }
        header = _changed({"alg": "RS256", "kid": "first"}, self.header)
        return jwt.encode(header, _changed(claims, self.claims), self.key)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.append(writer)
        # Whoever gives up half-way is no matter of ours.
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            asked = await _read(reader)
            self.asked.append(asked)
            answer = self.answers[asked.path] if asked.path in self.answers else self._answer(asked)
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(writer)
        writer.close()

    def _answer(self, asked: Asked) -> bytes:
        match asked.path:
            case "/.well-known/openid-configuration":
                return http_json(self._metadata())
            case "/jwks":
                return http_json({"keys": self.keys})
            case "/token":
                return self._exchange(asked)
            case "/userinfo":
                return http_json(_changed({"sub": "alice-at-the-provider"}, self.userinfo))
            case _:
                return http_json({"error": "not_found"}, "404 Not Found")

    def _metadata(self) -> dict[str, Any]:
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
        return _changed(document, self.metadata)

    def _exchange(self, asked: Asked) -> bytes:
        begun = self._codes.pop(asked.form.get("code", ""), None)
        verifier = hashlib.sha256(asked.form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        if begun is None or challenge != begun["code_challenge"] or asked.form["redirect_uri"] != begun["redirect_uri"]:
            return http_json({"error": "invalid_grant"}, "400 Bad Request")
        access_token = secrets.token_urlsafe(16)
        tokens = {"access_token": access_token, "token_type": "Bearer", "expires_in": 60}
        return http_json(_changed(tokens | {"id_token": self.id_token(begun, access_token)}, self.tokens))


def new_key(kid: str, bits: int = 2048) -> RSAKey:
    """A key to sign with. Making one takes a moment: tests may share it."""
    return RSAKey.generate_key(bits, {"kid": kid, "use": "sig", "alg": "RS256"})


async def add_identity(auth: Auth, user: SignedInUser) -> str:
    """An identity of this user, at a provider that nobody has heard of; its id."""
    now = auth.clock.now()
    identity = Identity(str(uuid7()), user.user.id, "gone", "https://gone.example", str(uuid7()), "", now)
    await auth.store.add_identity(identity)
    return identity.id


def http_json(members: object, status: str = "200 OK") -> bytes:
    """A whole answer."""
    return http(json.dumps(members).encode(), status=status)


def http(body: bytes, *, status: str = "200 OK", content_type: str = "application/json", more: str = "") -> bytes:
    """A whole answer, with one more header line if need be."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}{more}Connection: close\r\n\r\n".encode() + body


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    return Asked(first.split()[1].partition("?")[0], headers, form)


def _changed(members: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**members, **changes}.items() if value is not None}
