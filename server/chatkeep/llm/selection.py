"""Which ChatModel the settings ask for."""

from collections.abc import Sequence
from urllib.parse import parse_qs

from chatkeep.llm.base_url import parse_base_url
from chatkeep.llm.http_response import Bounds
from chatkeep.llm.local import LocalChatModel
from chatkeep.llm.model import ChatModel
from chatkeep.llm.openai import OpenAIChatModel
from chatkeep.llm.providers import Endpoint
from chatkeep.llm.routes_to_models import Described
from chatkeep.llm.scripted import ScriptedChatModel
from chatkeep.settings_providers import ModelProvider

_SCRIPTED = "scripted:"


def build_chat_model(base_url: str | None, api_key: str | None, models: Sequence[str]) -> ChatModel:
    """Choose by the base URL, where that is the only endpoint; nothing is started or asked yet.

    None or empty: the built-in model. "scripted:" or, with a pause before each token, "scripted:?token_delay_ms=20":
    the scripted one. Anything else: the endpoint at that address.

    Raises:
        ValueError: the base URL or the key cannot be used; the text completes the sentence "CHATKEEP_LLM_BASE_URL ...".
    """
    base_url = (base_url or "").strip()
    if not base_url:
        return LocalChatModel()
    if base_url.startswith(_SCRIPTED):
        return ScriptedChatModel(models, token_delay=_token_delay(base_url.removeprefix(_SCRIPTED)))
    return OpenAIChatModel(parse_base_url(base_url), api_key, models)


def build_endpoint(provider: str, settings: ModelProvider) -> Endpoint:
    """One of several; nothing is asked yet.

    Raises:
        ValueError: the base URL, the key or its file cannot be used; the text says which and why, without the key.
    """
    bounds = Bounds(
        connect=settings.connect_seconds,
        first_byte=settings.first_byte_seconds,
        idle=settings.idle_seconds,
        total=settings.total_seconds,
    )
    described = {
        model: Described(known.alias, known.context_tokens, known.prompt_price, known.completion_price)
        for model, known in settings.models.items()
    }
    base_url = parse_base_url(settings.base_url)
    return Endpoint(provider, OpenAIChatModel(base_url, _key(settings), tuple(described), bounds=bounds), described)


def _key(settings: ModelProvider) -> str | None:
    if settings.api_key_file is None:
        return settings.api_key.get_secret_value() if settings.api_key else None
    try:
        return settings.api_key_file.expanduser().read_text(encoding="utf-8").partition("\n")[0].strip()
    except OSError as error:
        raise ValueError(f"cannot be asked: api_key_file: {error.strerror}") from None


def _token_delay(options: str) -> float:
    values = parse_qs(options.removeprefix("?"), keep_blank_values=True)
    delay = values.pop("token_delay_ms", ["0"])[-1]
    if values or not delay.isdecimal() or int(delay) > 60_000:
        raise ValueError("may read scripted: or scripted:?token_delay_ms=20 (0 to 60000), and nothing else")
    return int(delay) / 1000
