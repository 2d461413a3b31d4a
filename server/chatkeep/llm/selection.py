"""Which ChatModel the settings ask for."""

from collections.abc import Sequence
from urllib.parse import parse_qs

from chatkeep.llm.base_url import parse_base_url
from chatkeep.llm.local import LocalChatModel
from chatkeep.llm.model import ChatModel
from chatkeep.llm.openai import OpenAIChatModel
from chatkeep.llm.scripted import ScriptedChatModel

_SCRIPTED = "scripted:"


def build_chat_model(base_url: str | None, api_key: str | None, models: Sequence[str]) -> ChatModel:
    """Choose by the base URL; nothing is started or asked yet.

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


def _token_delay(options: str) -> float:
    values = parse_qs(options.removeprefix("?"), keep_blank_values=True)
    delay = values.pop("token_delay_ms", ["0"])[-1]
    if values or not delay.isdecimal() or int(delay) > 60_000:
        raise ValueError("may read scripted: or scripted:?token_delay_ms=20 (0 to 60000), and nothing else")
    return int(delay) / 1000
