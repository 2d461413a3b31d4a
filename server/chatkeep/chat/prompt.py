"""From a conversation to a prompt that fits: system prompt and latest turns always, older ones while there is room."""

from collections.abc import Sequence
from typing import Literal, cast

from chatkeep.chat.records import Message
from chatkeep.limits.tokens import BYTES_PER_TOKEN, tokens_of
from chatkeep.llm.model import PromptMessage

SYSTEM_PROMPT = "You are a helpful assistant. Answer in the language of the question, clearly and briefly."

# Each turn costs a few tokens of framing.
_TOKENS_PER_TURN = 6
# Of the context, this part is left for the answer.
_ANSWER_SHARE = 0.25
# And this one for passages of documents, where the answer draws on some: more of them help no more.
_PASSAGE_SHARE = 0.35
_MOST_PASSAGE_TOKENS = 4000


def build_prompt(path: Sequence[Message], context_tokens: int) -> list[PromptMessage]:
    """The system prompt, then the newest turns of `path` that fit into `context_tokens`, oldest first.

    The last turn is always there, cut in the middle if it is too long by itself: a question that begins and ends as its
    author wrote it beats an error.
    """
    system = PromptMessage("system", SYSTEM_PROMPT)
    budget = int(context_tokens * (1 - _ANSWER_SHARE)) - estimate_tokens(SYSTEM_PROMPT)
    chosen: list[PromptMessage] = []
    for message in reversed(path):
        if not message.content.strip():
            continue
        content = message.content if chosen else _cut_middle(message.content, budget)
        budget -= estimate_tokens(content)
        if chosen and budget < 0:
            break
        chosen.append(PromptMessage(cast(Literal["user", "assistant"], message.role), content))
    if chosen and chosen[-1].role == "assistant":
        # An answer whose question was left out says nothing to the model.
        chosen.pop()
    return [system, *reversed(chosen)]


def passage_tokens(context_tokens: int) -> int:
    """How many tokens passages may take together."""
    return min(int(context_tokens * _PASSAGE_SHARE), _MOST_PASSAGE_TOKENS)


def estimate_tokens(text: str) -> int:
    """A rough count, on the high side."""
    return tokens_of(len(text.encode())) + _TOKENS_PER_TURN


def _cut_middle(text: str, budget_tokens: int) -> str:
    if estimate_tokens(text) <= budget_tokens:
        return text
    half = int(budget_tokens * BYTES_PER_TOKEN / 2) - 16
    encoded = text.encode()
    head = encoded[:half].decode(errors="ignore")
    tail = encoded[-half:].decode(errors="ignore")
    return f"{head}\n[…]\n{tail}"
