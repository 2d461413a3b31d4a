"""Which endpoints a model's name leads to, and which names are on offer.

provider/model   always that model of that provider
an alias         every model that has it, in the order of the file: they stand in for each other
model            the first provider in the file that has it, where the name is neither of the above
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chatkeep.llm.model import ModelInfo


@dataclass(frozen=True, slots=True)
class Described:
    """What is known of a model. Prices are for a million tokens."""

    alias: str | None = None
    context_tokens: int | None = None
    prompt_price: float | None = None
    completion_price: float | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A model at a provider, which knows it as `model`."""

    provider: str
    model: str
    described: Described

    @property
    def name(self) -> str:
        """Nobody else's."""
        return f"{self.provider}/{self.model}"


class Routes:
    """All names at once. `offered` is in the order of the file, by provider and then by model."""

    def __init__(self, offered: Sequence[Route]) -> None:
        named: dict[str, tuple[Route, ...]] = {route.name: (route,) for route in offered}
        for route in offered:
            alias = route.described.alias
            if alias is not None and alias not in named:
                named[alias] = tuple(other for other in offered if other.described.alias == alias)
        for route in offered:
            named.setdefault(route.model, (route,))
        self._named = named
        self._offered = offered

    def find(self, name: str) -> tuple[Route, ...]:
        """Where `name` leads, the first choice first; empty where it leads nowhere."""
        return self._named.get(name, ())

    def models(self, healthy: Mapping[str, bool]) -> list[ModelInfo]:
        """One for each model, or for all that share an alias, under the shortest name that leads there.

        `healthy` has every provider.
        """
        infos: dict[str, ModelInfo] = {}
        for route in self._offered:
            shown = next(
                name for name in (route.described.alias, route.model, route.name) if name and route in self.find(name)
            )
            if shown not in infos:
                infos[shown] = self._info(shown, healthy)
        return list(infos.values())

    def _info(self, name: str, healthy: Mapping[str, bool]) -> ModelInfo:
        routes = self.find(name)
        contexts = [route.described.context_tokens for route in routes if route.described.context_tokens]
        return ModelInfo(
            name,
            context_tokens=min(contexts, default=None),
            provider=routes[0].provider,
            other_names=tuple(other for other, led in self._named.items() if other != name and set(led) <= set(routes)),
            prompt_price=routes[0].described.prompt_price,
            completion_price=routes[0].described.completion_price,
            healthy=any(healthy[route.provider] for route in routes),
        )
