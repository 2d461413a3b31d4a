"""Quotas and prices among the settings, in the words an operator would write them in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, cast

Quantity = Literal["requests", "tokens", "cost", "concurrent"]
Window = Literal["day", "month"]

MICROS = 1_000_000
# More of anything would not fit into the column that counts it.
_MOST = 10**15
_AMOUNT = r"(?P<amount>[0-9]{1,15}(?:\.[0-9]{1,6})?)(?P<times>[kM]?)"
_LIMIT = re.compile(
    rf"{_AMOUNT} +(?:(?P<concurrent>concurrent)|(?P<quantity>requests|tokens|cost) ?(?:/|per) ?(?P<window>day|month))"
    r"(?: +of +(?P<model>\S.*))?",
    re.ASCII,
)
# A model's name in a limit's name is told in header fields.
_TELLABLE = re.compile(r"[\x20-\x7e]{1,200}")
_PRICE = re.compile(
    r"(?P<model>\S.*?) +(?P<prompt>[0-9]{1,9}(?:\.[0-9]{1,6})?) ?/ ?(?P<completion>[0-9]{1,9}(?:\.[0-9]{1,6})?)",
    re.ASCII,
)
_TIMES = {"": 1, "k": 1000, "M": 1_000_000}


@dataclass(frozen=True, slots=True)
class QuotaLimit:
    """`amount` of something in each window of UTC, or at once; for all models together, or for one.

    Attributes:
        amount: requests, tokens, or answers at once; of cost, millionths of the currency unit.
        window: None: at once.
    """

    quantity: Quantity
    window: Window | None
    amount: int
    model: str | None = None


def parse_quota(text: str) -> tuple[QuotaLimit, ...]:
    """From `200 requests/day, 100k tokens/month, 5 cost/month, 8 concurrent, 20 requests/day of gpt-5`.

    Raises:
        ValueError: a part is none of these, or says what another part has said.
    """
    limits = tuple(_limit(part.strip()) for part in text.split(",") if part.strip())
    seen: set[tuple[str, str | None, str | None]] = set()
    for limit in limits:
        key = (limit.quantity, limit.window, limit.model)
        if key in seen:
            raise ValueError(f"limits {limit.quantity} twice for the same {limit.window or 'moment'}")
        seen.add(key)
    return limits


def _limit(part: str) -> QuotaLimit:
    match = _LIMIT.fullmatch(part)
    if match is None:
        raise ValueError(
            f"{part[:80]!r} is no limit: write 200 requests/day, 100k tokens/day, 2M tokens/month, 5.50 cost/month or "
            "8 concurrent, with commas between; behind each may stand the one model it is for: of gpt-5"
        )
    model = match["model"]
    if model is not None and (not _TELLABLE.fullmatch(model) or {'"', "\\"} & set(model)):
        raise ValueError(f"{part[:80]!r}: the model's name has characters that header fields cannot carry")
    quantity = cast(Quantity, match["concurrent"] or match["quantity"])
    amount = Decimal(match["amount"]) * _TIMES[match["times"]] * (MICROS if quantity == "cost" else 1)
    if amount != int(amount) or not 0 <= amount <= _MOST:
        raise ValueError(f"{part[:80]!r}: only cost has fractions, and nothing is beyond {_MOST:.0e}")
    return QuotaLimit(quantity, cast("Window | None", match["window"]), int(amount), model)


def parse_prices(text: str) -> Mapping[str, tuple[Decimal, Decimal]]:
    """By model, the price of a million tokens of prompt and of answer; from `gpt-5 1.25/10, claude-opus 5/25`.

    Raises:
        ValueError: a part is none of these, or a model is there twice.
    """
    prices: dict[str, tuple[Decimal, Decimal]] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        match = _PRICE.fullmatch(part)
        if match is None:
            raise ValueError(f"{part[:80]!r} is no price: write a model and its two prices, such as gpt-5 1.25/10")
        if match["model"] in prices:
            raise ValueError(f"has two prices for {match['model'][:80]!r}")
        prices[match["model"]] = (Decimal(match["prompt"]), Decimal(match["completion"]))
    return prices
