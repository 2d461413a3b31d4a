"""What tokens cost. A model that has no price costs nothing."""

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal

from chatkeep.limits.tokens import Tokens


class Prices:
    """By model: the price of a million tokens of prompt, and of a million tokens of answer, in the currency unit."""

    def __init__(self, per_million: Mapping[str, tuple[Decimal, Decimal]] | None = None) -> None:
        self._per_million = dict(per_million or {})

    def find(self, model: str | None) -> tuple[Decimal, Decimal] | None:
        """The prices of `model` per million tokens, or None."""
        return self._per_million.get(model or "")

    def cost_micros(self, model: str | None, tokens: Tokens) -> int:
        """In millionths of the currency unit, rounded up: many small answers are not free."""
        prompt, completion = self.find(model) or (Decimal(0), Decimal(0))
        # A price per million is the price of one in millionths.
        cost = tokens.prompt * prompt + tokens.completion * completion
        return int(cost.to_integral_value(ROUND_CEILING))
