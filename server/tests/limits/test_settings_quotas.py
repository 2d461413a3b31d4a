"""Quotas and prices as operators write them, and what they are told when nobody can read them."""

from decimal import Decimal

import pytest

from chatkeep.settings_quotas import QuotaLimit, parse_prices, parse_quota


def test_a_quota_reads_as_it_is_written() -> None:
    text = (
        "200 requests/day, 1.5k tokens per day,2M tokens/month , 5.50 cost/month, 8 concurrent, 3 concurrent of big one"
    )
    assert parse_quota(text) == (
        QuotaLimit("requests", "day", 200),
        QuotaLimit("tokens", "day", 1500),
        QuotaLimit("tokens", "month", 2_000_000),
        QuotaLimit("cost", "month", 5_500_000),
        QuotaLimit("concurrent", None, 8),
        QuotaLimit("concurrent", None, 3, "big one"),
    )
    assert parse_quota("") == parse_quota(" , ") == ()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("200", "is no limit: write 200 requests/day"),
        ("200 requests", "is no limit"),
        ("200 requests/hour", "is no limit"),
        ("-1 requests/day", "is no limit"),
        ("1e9 tokens/day", "is no limit"),
        ("٣ requests/day", "is no limit"),
        ("0.5 requests/day", "only cost has fractions"),
        ("999999999999999M tokens/day", "nothing is beyond"),
        ("1 requests/day of gpt-ü", "header fields cannot carry"),
        ('1 requests/day of a"b', "header fields cannot carry"),
        ("1 requests/day, 2 requests/day", "limits requests twice"),
    ],
)
def test_what_cannot_be_a_quota_is_refused_with_a_reason(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_quota(text)


def test_prices_read_as_they_are_written() -> None:
    prices = parse_prices("gpt-5 1.25/10, big one 0/0.5")
    assert prices == {"gpt-5": (Decimal("1.25"), Decimal(10)), "big one": (Decimal(0), Decimal("0.5"))}


@pytest.mark.parametrize("text", ["gpt-5", "gpt-5 1.25", "gpt-5 -1/2", "gpt-5 nan/1", "a 1/2, a 3/4"])
def test_what_cannot_be_a_price_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(ValueError, match="price"):
        parse_prices(text)
