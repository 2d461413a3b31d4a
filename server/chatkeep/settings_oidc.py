"""Sign-in providers among the settings: `[oidc.google]` in a file, `CHATKEEP_OIDC_GOOGLE_ISSUER` in the environment."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr, model_validator

VARIABLE = "CHATKEEP_OIDC_"


def comma_separated(value: Any) -> Any:
    """A list, as one variable writes it."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(comma_separated)]


class OidcProvider(BaseModel):
    """One OpenID Connect provider; what its fields mean is said in docs/operations.md."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str
    client_id: str
    client_secret: SecretStr | None = None
    client_secret_file: Path | None = None
    name: str = ""
    scopes: Words = ("openid", "email", "profile")
    email_always_verified: bool = False
    email_domains: Words = ()
    opens_accounts: bool | None = None
    trusted_mfa: Words = ()

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        if self.client_secret is not None and self.client_secret_file is not None:
            raise ValueError("client_secret and client_secret_file: set one of them")
        return self


_FIELD = "|".join(name.upper() for name in sorted(OidcProvider.model_fields, key=len, reverse=True))
_VARIABLE = re.compile(rf"{VARIABLE}([A-Z0-9]+(?:_[A-Z0-9]+)*)_({_FIELD})", re.ASCII)


def is_provider_variable(name: str) -> bool:
    """Whether this variable sets something of a provider."""
    return _VARIABLE.fullmatch(name) is not None


def providers_in(variables: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """What the variables say of each provider. Blank means unset, as compose files write it."""
    found: dict[str, dict[str, str]] = {}
    for name, value in variables.items():
        match = _VARIABLE.fullmatch(name)
        if match and value.strip():
            found.setdefault(match[1].lower().replace("_", "-"), {})[match[2].lower()] = value.strip()
    return found


def merged(weaker: Any, stronger: Any) -> Any:
    """Both, field by field: a secret may come from the environment, and all else from a file."""
    if not isinstance(weaker, dict) or not isinstance(stronger, dict):
        return stronger
    return {**weaker, **{name: merged(weaker.get(name), value) for name, value in stronger.items()}}


def shown(providers: Mapping[str, OidcProvider]) -> str:
    """Who and where, without any secret."""
    return ", ".join(f"{name} ({provider.issuer})" for name, provider in providers.items())
