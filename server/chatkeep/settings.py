"""What an operator can choose, checked as a whole. Where values come from is the matter of `settings_sources.py`."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from chatkeep.settings_oidc import OidcProvider
from chatkeep.settings_providers import ModelId, ModelProvider
from chatkeep.settings_quotas import parse_prices, parse_quota
from chatkeep.settings_tables import Words as CommaSeparated
from chatkeep.settings_tables import comma_separated
from chatkeep.settings_urls import (
    check_database_url,
    check_http_url,
    check_origin,
    check_smtp_url,
    check_valkey_url,
    driver_url,
    sqlite_file,
)

RateLimit = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,6}/([1-9][0-9]{0,3} )?(second|minute|hour|day)s?$")]

SearchLanguage = Literal[
    "none", "arabic", "danish", "dutch", "english", "finnish", "french", "german", "greek", "hungarian", "italian",
    "norwegian", "portuguese", "romanian", "russian", "spanish", "swedish", "turkish",
]  # fmt: skip


class Settings(BaseModel):
    """Everything an operator can choose. Each field is `CHATKEEP_<NAME>` in the environment."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on. 0.0.0.0 or :: means every interface.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on. 0 picks a free one.")
    public_url: str | None = Field(
        None,
        description="Address people use, e.g. https://chat.example.org, when a proxy stands in front or a name leads "
        "here. Requests to other host names are refused, but for this machine's own.",
    )
    data_dir: Path = Field(
        Path("data"),
        description="Directory for the database, keys and files. Created with mode 0700.",
    )
    database_url: str | None = Field(
        None,
        description="SQLite or PostgreSQL, e.g. postgresql://user:password@host/chatkeep. "
        "Empty: SQLite in the data directory.",
    )
    secret_key_file: Path | None = Field(
        None,
        description="File with the signing keys, created at first start with mode 0600. "
        "Empty: signing-keys.json in the data directory.",
    )
    signing_algorithm: Literal["Ed25519", "HS256"] = Field(
        "Ed25519",
        description="How access tokens are signed. Ed25519: others can verify them with the public keys. HS256: one "
        "secret, for a single node. A change takes effect ten minutes after the start, and signs nobody out.",
    )
    key_rotation_days: int = Field(
        90,
        ge=0,
        le=3650,
        description="Age in days at which the signing key is replaced, which nobody notices. 0: never by itself.",
    )
    llm_base_url: str | None = Field(
        None,
        description="OpenAI-compatible endpoint, e.g. http://127.0.0.1:11434/v1. Empty: the small built-in model, "
        "unless there are CHATKEEP_PROVIDERS. `scripted:` answers by rule, for demonstrations.",
    )
    llm_api_key: SecretStr | None = Field(None, description="Key for that endpoint.")
    llm_models: Annotated[tuple[ModelId, ...], BeforeValidator(comma_separated)] = Field(
        (),
        description="Models on offer, comma-separated, the first is the default. Empty: ask the endpoint.",
    )
    providers: dict[Annotated[str, Field(pattern=r"^[a-z0-9](-?[a-z0-9]){0,31}$")], ModelProvider] = Field(
        {},
        description="Several endpoints at once, with prices and stand-ins: CHATKEEP_PROVIDERS_OPENROUTER_BASE_URL, "
        "_API_KEY_FILE and so on, or a table in the file; see below.",
    )
    llm_context_tokens: int = Field(
        8192,
        ge=512,
        le=10_000_000,
        description="Tokens of prompt sent to the model at most; the oldest turns are left out first.",
    )
    drain_seconds: int = Field(
        10,
        ge=0,
        le=3600,
        description="How long running answers may go on after SIGTERM before they are interrupted, their text kept.",
    )
    auto_titles: bool = Field(
        True,
        description="Let the model name each chat after its first answer. The small built-in model does so only where "
        "CHATKEEP_TITLE_MODEL names it.",
    )
    title_model: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="Model that writes titles, e.g. a small and cheap one. Empty: the one that gave the answer.",
    )
    embedding_model: str = Field(
        "builtin",
        min_length=1,
        max_length=200,
        description="Model by whose vectors documents are found: builtin (small, English), none (by words alone), or "
        "one of the endpoint. Documents are indexed anew when it changes, and are found meanwhile.",
    )
    embedding_base_url: str | None = Field(
        None, description="OpenAI-compatible endpoint for embeddings, e.g. http://127.0.0.1:11434/v1."
    )
    embedding_api_key: SecretStr | None = Field(None, description="Key for that endpoint.")
    embedding_dimension: int | None = Field(
        None, ge=1, le=65_536, description="How long its vectors are, where that is not known by the model's name."
    )
    qdrant_url: str | None = Field(
        None,
        description="Qdrant server (1.19 or newer) for document search, e.g. http://qdrant:6333. Empty: the embedded "
        "index, in the data directory.",
    )
    qdrant_api_key: SecretStr | None = Field(None, description="Key for that server.")
    search_language: SearchLanguage = Field(
        "english",
        description="Whose stop words and word stems document search uses; none: words as they stand. Other languages "
        "are found too. A change indexes all documents anew.",
    )
    upload_megabytes: int = Field(
        100, ge=1, le=10_000, description="MiB that a file may have, and all files of one upload."
    )
    documents_megabytes: int = Field(
        2_048, ge=0, le=100_000_000, description="MiB that the documents of one user may take, with their text."
    )
    documents_at_once: int = Field(
        2, ge=1, le=64, description="Documents that are read at once; each may take a GiB of memory meanwhile."
    )
    valkey_url: str | None = Field(
        None,
        description="Valkey or Redis, e.g. redis://127.0.0.1:6379/0: takes the counting of limits off PostgreSQL, and "
        "brings answers to other instances as they are written. Empty: limits are counted in PostgreSQL (with SQLite "
        "in the process), and answers come to other instances second by second.",
    )
    registration: Literal["open", "closed"] = Field(
        "open",
        description="open: anyone who reaches the page may register. closed: nobody, after the first administrator.",
    )
    verify_email: bool = Field(
        False,
        description="Nobody signs in before they have opened the link in a mail to their address; needs "
        "CHATKEEP_SMTP_URL where others can connect.",
    )
    smtp_url: str | None = Field(
        None,
        description="Mail server, e.g. smtp://user:password@mail.example.org:587 (STARTTLS) or smtps://. Empty: on a "
        "server that only this machine reaches, mails are printed in its log; elsewhere none are sent.",
    )
    mail_from: str | None = Field(None, description="Sender of mails, e.g. chatkeep <chat@example.org>.")
    admin_email: str | None = Field(
        None,
        description="E-mail of an administrator to create at start, with CHATKEEP_ADMIN_PASSWORD_FILE.",
    )
    admin_password_file: Path | None = Field(
        None,
        description="File whose first line is that administrator's password.",
    )
    trusted_proxies: CommaSeparated = Field(
        (),
        description="Addresses or networks whose X-Forwarded-For and -Proto count, comma-separated.",
    )
    oidc: dict[str, OidcProvider] = Field(
        {},
        description="Providers to sign in with: CHATKEEP_OIDC_GOOGLE_ISSUER, _CLIENT_ID and so on, or a table in the "
        "file; see below.",
    )
    limit_login: RateLimit = Field("30/minute", description="Sign-in attempts per client address, e.g. 30/minute.")
    limit_register: RateLimit = Field(
        "60/hour", description="Registrations per client address: enough for a class behind one."
    )
    limit_send: RateLimit = Field("60/minute", description="Messages per user.")
    limit_import: RateLimit = Field("60/hour", description="Files of chats to import, per user.")
    limit_upload: RateLimit = Field("600/hour", description="Uploads per user.")
    limit_search: RateLimit = Field("120/minute", description="Searches of documents per user, beside their messages.")
    limit_share: RateLimit = Field("60/hour", description="Times that a user may share a collection with somebody.")
    import_megabytes: int = Field(
        512,
        ge=0,
        le=1_000_000,
        description="MiB that a user's chats may grow to by imports. What they say themselves is bounded by quotas.",
    )
    concurrent_answers: int = Field(
        256,
        ge=1,
        le=1_000_000,
        description="Answers that are written at once; others wait, and users take turns. A local model has its own, "
        "smaller number besides.",
    )
    concurrent_answers_per_user: int = Field(8, ge=1, le=1_000_000, description="Of these, one user's.")
    quota_user: str = Field(
        "100 concurrent",
        description="What each user may use, e.g. 200 requests/day, 100k tokens/day, 5 cost/month, 8 concurrent, "
        "20 requests/day of gpt-5.",
    )
    quota_admin: str = Field("100 concurrent", description="What each administrator may use, likewise.")
    model_prices: str = Field(
        "",
        description="Prices per million tokens of prompt and of answer, e.g. gpt-5 1.25/10, claude-opus 5/25. "
        "A model without one costs nothing.",
    )
    page: bool = Field(True, description="Serve the web page beside the API.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much to log.")

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ip_network(network, strict=False)
        return value

    @field_validator("llm_base_url")
    @classmethod
    def _llm_base_url(cls, value: str | None) -> str | None:
        return value if value is None or value.startswith("scripted:") else check_http_url(value)

    @field_validator("qdrant_url", "embedding_base_url")
    @classmethod
    def _http_urls(cls, value: str | None) -> str | None:
        return value and check_http_url(value)

    @field_validator("public_url")
    @classmethod
    def _public_url(cls, value: str | None) -> str | None:
        return value and check_origin(value)

    @field_validator("valkey_url")
    @classmethod
    def _valkey_url(cls, value: str | None) -> str | None:
        return value and check_valkey_url(value)

    @field_validator("smtp_url")
    @classmethod
    def _smtp_url(cls, value: str | None) -> str | None:
        return value and check_smtp_url(value)

    @field_validator("database_url")
    @classmethod
    def _database_url(cls, value: str | None) -> str | None:
        return value and check_database_url(value)

    @field_validator("quota_user", "quota_admin")
    @classmethod
    def _quota(cls, value: str) -> str:
        parse_quota(value)
        return value

    @field_validator("model_prices")
    @classmethod
    def _model_prices(cls, value: str) -> str:
        parse_prices(value)
        return value

    @field_validator("data_dir", "secret_key_file", "admin_password_file")
    @classmethod
    def _from_home(cls, value: Path | None) -> Path | None:
        try:
            return value and value.expanduser()
        except RuntimeError:
            raise ValueError("begins with ~, and there is no home directory here") from None

    @model_validator(mode="after")
    def _admin_needs_both(self) -> Self:
        if (self.admin_email is None) != (self.admin_password_file is None):
            raise ValueError("CHATKEEP_ADMIN_EMAIL and CHATKEEP_ADMIN_PASSWORD_FILE go together: set both or neither")
        return self

    @model_validator(mode="after")
    def _mail_needs_both(self) -> Self:
        if (self.smtp_url is None) != (self.mail_from is None):
            raise ValueError("CHATKEEP_SMTP_URL and CHATKEEP_MAIL_FROM go together: set both or neither")
        return self

    @property
    def effective_database_url(self) -> str:
        """The URL with the async driver SQLAlchemy needs."""
        return driver_url(self.database_url or f"sqlite:///{self._own_file}")

    @property
    def sqlite_file(self) -> Path | None:
        """The database's file, None when it is PostgreSQL."""
        return sqlite_file(self.database_url) if self.database_url else self._own_file

    @property
    def _own_file(self) -> Path:
        return (self.data_dir / "chatkeep.db").absolute()

    @property
    def effective_secret_key_file(self) -> Path:
        """Where the signing keys lie."""
        return self.secret_key_file or self.data_dir / "signing-keys.json"
