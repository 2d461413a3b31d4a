"""How long a text is for an embedding model."""

import re
from collections.abc import Callable
from pathlib import Path

from tokenizers import Tokenizer

CountTokens = Callable[[str], int]

_MOST_WORDS_KNOWN = 200_000
_LONGEST_WORD_KNOWN = 100
_ROUGHLY = re.compile(r"[^\W\d_]{1,4}|\d{1,2}|[^\w\s]|_", re.ASCII)


class _Words(dict[str, int]):
    """Remembers how many tokens a word has: a text has few different ones, and asking the tokenizer for each sentence
    costs twice as much.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def __missing__(self, word: str) -> int:
        count = len(self._tokenizer.encode(word, add_special_tokens=False).ids)
        if len(word) <= _LONGEST_WORD_KNOWN:
            if len(self) >= _MOST_WORDS_KNOWN:
                self.clear()
            self[word] = count
        return count


def tokens_by(tokenizer_json: Path) -> CountTokens:
    """By the tokenizer of the model. BERT's splits at white space first, so the sum over words is exact; for others it
    errs by little.

    Raises:
        ValueError: there is no tokenizer at that path.
    """
    try:
        tokenizer = Tokenizer.from_str(tokenizer_json.read_text())
    except Exception as error:  # tokenizers has no class of its own for what it raises
        raise ValueError(f"there is no tokenizer in {tokenizer_json.name}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    words = _Words(tokenizer)
    return lambda text: sum(map(words.__getitem__, text.split()))


def tokens_roughly(text: str) -> int:
    """Without a tokenizer: rather too many than too few. Four letters of ASCII, or any other character, to a token."""
    ascii_ones = sum(1 for _ in _ROUGHLY.finditer(text))
    return ascii_ones + sum(1 for character in text if character > "\x7f" and not character.isspace())
