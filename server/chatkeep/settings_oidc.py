"""Sign-in providers among the settings: `[oidc.google]` in a file, `CHATKEEP_OIDC_GOOGLE_ISSUER` in the environment."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

from chatkeep.settings_tables import NamedTables, Words


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

    @property
    def shown(self) -> str:
        """Who it is, without any secret."""
        return self.issuer


OIDC_TABLES = NamedTables("oidc", OidcProvider)
