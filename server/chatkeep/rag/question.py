"""What to search for when somebody asks in the course of a conversation: "And how long is it valid?"

A question that says enough is searched for as it stands. One that leans on what was said before takes the words along
that carry most: names, numbers and long words of the turns before, the latest first. No model is asked: it would cost a
second and tokens before each answer.
"""

import re
from collections.abc import Iterable, Sequence

from chatkeep.llm.model import PromptMessage
from chatkeep.rag.little_words import LITTLE_WORDS, POINTING_BACK

# A question of more is a text that was pasted; its beginning and end say what it is about.
_MOST_CHARACTERS = 2_000
_MOST_WORDS_ADDED = 8
_TURNS_LOOKED_BACK = 4
_CHARACTERS_LOOKED_AT = 2_000
# Of its own words that carry anything, a question has to have so many to stand alone.
_ENOUGH_WORDS = 4
_SHORT_WORD = 4
_WORD = re.compile(r"\w[\w'\u2019-]*")


def question_to_search(turns: Sequence[PromptMessage]) -> str:
    """From a conversation whose last turn is the question."""
    asked = turns[-1].content.strip()
    if len(asked) > _MOST_CHARACTERS:
        half = _MOST_CHARACTERS // 2
        return f"{asked[:half]} {asked[-half:]}"
    own = _words(asked)
    if _stands_alone(asked, own):
        return asked
    known = {word.casefold() for word in own}
    added: list[str] = []
    for turn in _before(turns):
        carrying = _carrying(turn.content[:_CHARACTERS_LOOKED_AT], only_names=turn.role == "assistant")
        for word in carrying:
            if word.casefold() not in known and len(added) < _MOST_WORDS_ADDED:
                known.add(word.casefold())
                added.append(word)
    return " ".join([asked, *added])


def salient_words(text: str) -> set[str]:
    """The words of a question that carry anything, in lower case."""
    return {word.casefold() for word in _words(text)}


def _stands_alone(asked: str, own: Sequence[str]) -> bool:
    points_back = any(word.casefold() in POINTING_BACK for word in _WORD.findall(asked))
    return len(set(own)) >= _ENOUGH_WORDS + (2 if points_back else 0)


def _before(turns: Sequence[PromptMessage]) -> Iterable[PromptMessage]:
    """What was said before the question: the latest first, and what the person said before what they were told."""
    recent = [turn for turn in turns[:-1] if turn.role != "system"][-_TURNS_LOOKED_BACK:][::-1]
    return sorted(recent, key=lambda turn: turn.role == "assistant")


def _words(text: str) -> list[str]:
    return [word for word in _WORD.findall(text) if word.casefold() not in LITTLE_WORDS]


def _carrying(text: str, *, only_names: bool) -> list[str]:
    """Names and numbers first, then long words, each group in the order of the text."""
    words = _words(text)
    names = [word for word in words if word[0].isupper() or word[0].isdigit()]
    if only_names:
        return names
    return names + [word for word in words if word not in names and len(word) > _SHORT_WORD]
