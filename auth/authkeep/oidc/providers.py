"""The providers an operator names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from authkeep.oidc.provider_urls import check_issuer

ClientAuthentication = Literal["client_secret_basic", "client_secret_post", "none"]
_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?", re.ASCII)
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+", re.ASCII)
_DOMAIN = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*", re.ASCII)
_MAX_NAME = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One OpenID Connect provider. Accounts are known by (issuer, sub): the id and the name may change.

    Attributes:
        id: in the paths, such as /auth/oidc/{id}/login: small letters, digits and hyphens.
        name: what the button says.
        issuer: to the letter as the provider's metadata spells it, with or without a slash at its end.
        client_secret: None for a public client, which PKCE alone protects.
        client_authentication: how the secret is sent; None: in the way that the provider prefers.
        email_always_verified: every address of this provider counts as verified, claimed or not. Only for a directory
            whose administrators alone decide who has which address.
        email_domains: only addresses of these domains may open an account; empty: any.
        opens_accounts: whether strangers get an account here; None: as everywhere, by `registration_open`.
        trusted_mfa: values of `amr` or `acr` by which this provider says that it asked for a second factor; with one of
            them ours is not asked for. Empty: it always is.

    Raises:
        ValueError: a value cannot work; the message names it and never repeats the secret.
    """

    id: str
    name: str
    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    client_authentication: ClientAuthentication | None = None
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    email_always_verified: bool = False
    email_domains: tuple[str, ...] = ()
    opens_accounts: bool | None = None
    trusted_mfa: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        try:
            check_issuer(self.issuer)
        except ValueError as error:
            raise ValueError(f"provider {self.id!r}: issuer {error}") from None
        secret_fits = (self.client_secret is None) is (self.client_authentication == "none")
        problems = [
            ("id", _ID.fullmatch(self.id) is not None, "is made of small letters, digits and hyphens"),
            ("name", 0 < len(self.name.strip()) <= _MAX_NAME and self.name.isprintable(), "is a short text"),
            ("client_id", 0 < len(self.client_id) <= 255 and self.client_id.isprintable(), "is a short text"),
            ("client_secret", self.client_secret != "", "must not be empty: leave it out for a public client"),
            ("client_authentication", self.client_authentication is None or secret_fits, "does not fit the secret"),
            ("scopes", "openid" in self.scopes and all(map(_SCOPE.fullmatch, self.scopes)), "must include openid"),
            ("email_domains", all(map(_DOMAIN.fullmatch, self.email_domains)), "are names such as example.org"),
        ]
        for name, holds, rule in problems:
            if not holds:
                raise ValueError(f"provider {self.id!r}: {name} {rule}")


def are_distinct(providers: Sequence[Provider]) -> bool:
    """Whether no two have an id or an issuer in common: either says which of them is meant."""
    return all(len({getattr(provider, name) for provider in providers}) == len(providers) for name in ("id", "issuer"))
