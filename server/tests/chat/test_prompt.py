"""The prompt: what the model is told, and what is left out when it does not fit."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from chatkeep.chat.prompt import SYSTEM_PROMPT, build_prompt, estimate_tokens
from chatkeep.chat.records import Message, State

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def turn(n: int, content: str) -> Message:
    role = "user" if n % 2 == 0 else "assistant"
    return Message(str(n), "s", None, role, content, State.COMPLETED, None, [], None, None, NOW)


def test_a_short_conversation_goes_whole() -> None:
    path = [turn(0, "hello"), turn(1, "hi"), turn(2, "how are you?")]
    prompt = build_prompt(path, 2048)
    assert [message.role for message in prompt] == ["system", "user", "assistant", "user"]
    assert prompt[0].content == SYSTEM_PROMPT


def test_the_oldest_turns_go_first() -> None:
    prompt = build_prompt([turn(n, f"{n} " + "word " * 60) for n in range(41)], 2048)
    numbers = [int(message.content.split()[0]) for message in prompt[1:]]
    assert numbers == list(range(numbers[0], 41))
    assert numbers[0] > 0
    assert prompt[1].role == "user"


def test_an_answer_that_never_came_is_left_out() -> None:
    prompt = build_prompt([turn(0, "hello"), turn(1, ""), turn(2, "still there?")], 2048)
    assert [message.content for message in prompt[1:]] == ["hello", "still there?"]


@given(st.lists(st.text(min_size=1, max_size=4000), min_size=1, max_size=12), st.integers(512, 4096))
def test_the_prompt_fits_and_ends_with_the_question(texts: list[str], context: int) -> None:
    path = [turn(n, text) for n, text in enumerate([*texts, "x"] if len(texts) % 2 == 0 else texts)]
    prompt = build_prompt(path, context)
    assert prompt[0].role == "system"
    assert sum(estimate_tokens(message.content) for message in prompt) <= context
    if path[-1].content.strip():
        assert prompt[-1].role == "user"
        assert prompt[-1].content[:20] == path[-1].content[:20]
