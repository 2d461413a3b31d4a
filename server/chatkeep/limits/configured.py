"""The quotas and prices that the settings ask for."""

from collections.abc import Mapping
from decimal import Decimal

from chatkeep.identity import Role
from chatkeep.limits.prices import Prices
from chatkeep.limits.quotas import Quotas
from chatkeep.settings import Settings
from chatkeep.settings_quotas import parse_prices, parse_quota


def configured_quotas(settings: Settings) -> Quotas:
    """By role, with the prices of CHATKEEP_MODEL_PRICES and of the providers' tables."""
    limits = {Role.USER: parse_quota(settings.quota_user), Role.ADMIN: parse_quota(settings.quota_admin)}
    return Quotas(limits, Prices({**_prices_of_providers(settings), **parse_prices(settings.model_prices)}))


def _prices_of_providers(settings: Settings) -> Mapping[str, tuple[Decimal, Decimal]]:
    """Under every name of a model; where several share one, the first of them has it, as it has the requests."""
    prices: dict[str, tuple[Decimal, Decimal]] = {}
    for provider, named in settings.providers.items():
        for model, known in named.models.items():
            if known.prompt_price is None and known.completion_price is None:
                continue
            price = (Decimal(str(known.prompt_price or 0)), Decimal(str(known.completion_price or 0)))
            for name in filter(None, (f"{provider}/{model}", known.alias, model)):
                prices.setdefault(name, price)
    return prices
