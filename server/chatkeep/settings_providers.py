"""Model endpoints among the settings: `[providers.openrouter]` in a file, `CHATKEEP_PROVIDERS_...` elsewhere."""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from chatkeep.settings_tables import NamedTables, comma_separated
from chatkeep.settings_urls import check_http_url


def _printable(name: str) -> str:
    if not name.isprintable():
        raise ValueError("must not contain a control character")
    return name


def _with_details(value: Any) -> Any:
    """A list of names is a table of models of which nothing more is known."""
    value = comma_separated(value)
    return {name: {} for name in value} if isinstance(value, list | tuple) else value


ModelId = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
Price = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0.1, le=7200, allow_inf_nan=False)]


class OfferedModel(BaseModel):
    """A model of an endpoint. Prices are for a million tokens; models of one `alias` stand in for each other."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    alias: ModelId | None = None
    context_tokens: int | None = Field(None, ge=512, le=10_000_000)
    prompt_price: Price | None = None
    completion_price: Price | None = None


class ModelProvider(BaseModel):
    """One OpenAI-compatible endpoint; what its fields mean is said in docs/operations.md."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: Annotated[str, AfterValidator(check_http_url)]
    api_key: SecretStr | None = None
    api_key_file: Path | None = None
    models: Annotated[dict[ModelId, OfferedModel], BeforeValidator(_with_details)] = {}
    connect_seconds: Seconds = 10.0
    first_byte_seconds: Seconds = 180.0
    idle_seconds: Seconds = 120.0
    total_seconds: Seconds = 3600.0

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.api_key is not None and self.api_key_file is not None:
            raise ValueError("api_key and api_key_file: set one of them")
        return self

    @property
    def shown(self) -> str:
        """Where it is, without any secret."""
        return self.base_url


PROVIDER_TABLES = NamedTables("providers", ModelProvider)
