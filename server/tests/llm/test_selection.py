import pytest

from chatkeep.llm.local import LocalChatModel
from chatkeep.llm.openai import OpenAIChatModel
from chatkeep.llm.scripted import ScriptedChatModel
from chatkeep.llm.selection import build_chat_model


@pytest.mark.parametrize(
    ("base_url", "adapter"),
    [
        (None, LocalChatModel),
        ("", LocalChatModel),
        ("scripted:", ScriptedChatModel),
        ("scripted:?token_delay_ms=20", ScriptedChatModel),
        ("http://127.0.0.1:11434/v1", OpenAIChatModel),
    ],
)
def test_the_base_url_decides(base_url: str | None, adapter: type) -> None:
    assert type(build_chat_model(base_url, None, ())) is adapter


@pytest.mark.parametrize(
    "base_url", ["scripted:x=1", "scripted:?token_delay_ms=-1", "scripted:?token_delay_ms=", "smb://x"]
)
def test_what_cannot_be_is_refused_before_anything_starts(base_url: str) -> None:
    with pytest.raises(ValueError, match=r"^(may|must) "):
        build_chat_model(base_url, None, ())


async def test_the_configured_models_are_offered() -> None:
    for base_url in ("scripted:", "http://127.0.0.1:1/v1"):
        model = build_chat_model(base_url, None, ["one", "two"])
        assert [info.id for info in await model.list_models()] == ["one", "two"]
