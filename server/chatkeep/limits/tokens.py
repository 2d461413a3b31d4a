"""Tokens: as the endpoint counts them, or estimated where it does not, or where its figures cannot be."""

from typing import NamedTuple, Self

# Without the model's own tokenizer: English runs at about four bytes a token, other scripts at fewer characters but
# more bytes, so bytes are the steadier measure.
BYTES_PER_TOKEN = 3.5
# No context holds more. An endpoint that reports it must not eat a quota for ever, nor overflow a column.
_MOST_TOKENS = 100_000_000


class Tokens(NamedTuple):
    """Of one answer."""

    prompt: int
    completion: int

    @property
    def total(self) -> int:
        """Both: what quotas count."""
        return self.prompt + self.completion

    @property
    def are_plausible(self) -> bool:
        """Whether any endpoint could have counted them."""
        return 0 <= self.prompt <= _MOST_TOKENS and 0 <= self.completion <= _MOST_TOKENS

    @classmethod
    def billed(cls, reported: "Tokens | None", prompt_tokens: int, produced_bytes: int) -> Self:
        """What the endpoint reports, if it does and if it can be; else the prompt's estimate and the text's."""
        if reported is not None and reported.are_plausible:
            return cls(*reported)
        return cls(bounded(prompt_tokens), bounded(tokens_of(produced_bytes)))


def bounded(tokens: int) -> int:
    """What clients name, such as the longest answer they want, may be any number."""
    return min(max(0, tokens), _MOST_TOKENS)


def tokens_of(size: int) -> int:
    """A rough count, on the high side, for so many bytes of UTF-8."""
    return -int(-size // BYTES_PER_TOKEN)
