"""What the scripted models say: an answer that follows from the prompt alone, and the faults one can ask them for.

A message may carry directives, so that a test or a demonstration chooses what happens without any setting:

    count to 50          the answer is the numbers from 1 to 50
    [[say TEXT]]         the answer is TEXT
    [[tokens 500]]       the answer is 500 tokens long
    [[delay 20ms]]       the pause before each token; also "1s"
    [[fault NAME]]       something goes wrong; `FAULTS` has the names
    [[fault NAME after 5]]   it goes wrong after five tokens (three when not given)

A model named "scripted-NAME" has the fault NAME without a directive; "scripted-slow" pauses 100 ms before each token.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from chatkeep.llm.model import PromptMessage, Usage

MODEL = "scripted"

# How an endpoint can fail. The names are also those of the scripted upstream's behaviours.
FAULTS = frozenset({
    "400", "401", "402", "403", "404", "413", "422", "429", "500", "502", "503", "no-credit", "context", "redirect",
    "close", "silent", "not-http", "huge-header", "html", "json", "unfinished", "break", "stall", "garbage", "error",
    "endless", "endless-line", "huge-frame", "bad-utf8", "bad-surrogate", "nul", "no-done", "no-end", "drip", "crlf",
    "negative-usage", "absurd-usage", "tools", "reasoning", "second-response", "encoded",
    "no-stream-options", "after-done",
})  # fmt: skip

_MOST_TOKENS = 1_000_000
_LONGEST_ECHO = 2000
_FILLER = ("Kept ", "words ", "come ", "one ", "by ", "one, ", "as ", "they ", "were ", "written. ")
_DIRECTIVE = re.compile(r"\[\[(say|tokens|delay|fault)\s+(.*?)\s*\]\]", re.DOTALL)
_COUNT = re.compile(r"\bcount to (\d{1,7})\b", re.IGNORECASE)
_DELAY = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)\s*(ms|s)")
_FAULT = re.compile(r"([a-z0-9-]+)(?:\s+after\s+(\d{1,7}))?")


@dataclass(frozen=True, slots=True)
class Script:
    """An answer token by token. `delay` is in seconds; None leaves it to the model. `fault_after` counts tokens."""

    tokens: Sequence[str]
    usage: Usage
    delay: float | None = None
    fault: str | None = None
    fault_after: int = 3


def script_for(model: str, messages: Sequence[PromptMessage]) -> Script:
    """The answer of `model` to `messages`: the same for the same arguments, on every machine."""
    said = next((message.content for message in reversed(messages) if message.role == "user"), "")
    directives = dict(_DIRECTIVE.findall(said))
    tokens = _tokens(said, directives, turn=sum(message.role == "user" for message in messages))
    fault, fault_after = _fault(directives.get("fault", ""), model)
    prompt_tokens = sum(len(_split(message.content)) for message in messages)
    return Script(
        tokens, Usage(prompt_tokens, len(tokens)), _delay(directives.get("delay", ""), model), fault, fault_after
    )


def _tokens(said: str, directives: dict[str, str], turn: int) -> Sequence[str]:
    if count := _COUNT.search(said):
        return [f"{number} " for number in range(1, min(int(count[1]), _MOST_TOKENS) + 1)]
    if (length := directives.get("tokens", "")).isdecimal():
        return [_FILLER[position % len(_FILLER)] for position in range(min(int(length), _MOST_TOKENS))]
    if "say" in directives:
        return _split(directives["say"])
    plain = _DIRECTIVE.sub("", said).strip()
    words = len(plain.split())
    return _split(f"Scripted answer {turn}, to a message of {words} words. You wrote: {plain[:_LONGEST_ECHO]}")


def _split(text: str) -> list[str]:
    return re.findall(r"\S+\s*|\s+", text)


def _delay(directive: str, model: str) -> float | None:
    if match := _DELAY.fullmatch(directive):
        return float(match[1]) / (1000 if match[2] == "ms" else 1)
    return 0.1 if model == f"{MODEL}-slow" else None


def _fault(directive: str, model: str) -> tuple[str | None, int]:
    match = _FAULT.fullmatch(directive or model.removeprefix(f"{MODEL}-"))
    if match is None or match[1] not in FAULTS:
        return None, 0
    return match[1], 3 if match[2] is None else int(match[2])
