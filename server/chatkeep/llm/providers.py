"""The ChatModel over several endpoints: each model's name leads to its own, and to others where models are alike."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from time import monotonic

from chatkeep.llm.endpoint_health import EndpointHealth
from chatkeep.llm.forwarding import ForwardedAnswer
from chatkeep.llm.model import Chunk, ModelError, ModelInfo, ModelRefused, ModelTimeout, PromptMessage
from chatkeep.llm.openai import OpenAIChatModel
from chatkeep.llm.raw_request import RawRequest
from chatkeep.llm.routes_to_models import Described, Route, Routes
from chatkeep.llm.tries import Tries

_log = logging.getLogger(__name__)

# The list of models is for people who wait for a page, and an endpoint that is aside is probed by it.
_LIST_SECONDS = 5.0


class Endpoint:
    """A provider by its id. `described` has the models to offer, the default first; empty asks it for them."""

    def __init__(
        self,
        provider: str,
        chat_model: OpenAIChatModel,
        described: Mapping[str, Described],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.provider = provider
        self.chat_model = chat_model
        self.health = EndpointHealth(clock)
        self._described = described
        self._listed: Sequence[str] = tuple(described)

    @property
    def routes(self) -> list[Route]:
        """Its models, as far as they are known."""
        return [Route(self.provider, model, self._described.get(model, Described())) for model in self._listed]

    async def refresh(self) -> None:
        """Ask for its models where the settings do not say them, and whether it is back when that is due.

        Raises:
            ModelError: it does not answer, and what it offers is not known.
        """
        if self._described and not self.health.probe_due:
            return
        try:
            async with asyncio.timeout(_LIST_SECONDS):
                listed = await self.chat_model.ask_for_models()
        except TimeoutError:
            self._missed(ModelTimeout("The model endpoint was silent for too long."))
        except ModelRefused as error:
            # It is there, and has no list to give, or not for this key.
            self.health.came_back()
            self._missed(error)
        except ModelError as error:
            self._missed(error)
        else:
            self.health.came_back()
            self._listed = tuple(self._described) or tuple(listed)

    def failed(self, error: ModelError) -> None:
        """It answered so; the log says whose fault it was, which `error` itself tells nobody."""
        was_healthy = self.health.healthy
        self.health.failed(error)
        if was_healthy and not self.health.healthy:
            _log.warning("provider %s is put aside for a while (%s)", self.provider, error.code)

    def _missed(self, error: ModelError) -> None:
        self.failed(error)
        if not self._listed:
            raise error


class ProvidersChatModel:
    """Asks the endpoints in `endpoints`, of which there is one at least, in the order of the file.

    An endpoint that fails before an answer's first token is asked again, or another that has a model of the same alias;
    one that has failed lately is asked last.
    """

    def __init__(self, endpoints: Sequence[Endpoint], *, first_pause: float = 0.5) -> None:
        self._endpoints = {endpoint.provider: endpoint for endpoint in endpoints}
        self._first_pause = first_pause
        self._routes: Routes | None = None

    async def list_models(self) -> list[ModelInfo]:
        """What all of them offer. One that does not answer is left out, or not healthy where its models are known.

        Raises:
            ModelError: there is none to tell of.
        """
        endpoints = list(self._endpoints.values())
        outcomes = await asyncio.gather(*(endpoint.refresh() for endpoint in endpoints), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, ModelError):
                raise outcome
        routes = [route for endpoint in endpoints for route in endpoint.routes]
        self._routes = Routes(routes)
        if not routes:
            for outcome in outcomes:
                if outcome is not None:
                    raise outcome
        return self._routes.models({provider: known.health.healthy for provider, known in self._endpoints.items()})

    async def stream(self, model: str, messages: Sequence[PromptMessage]) -> AsyncGenerator[Chunk, None]:
        """Answer `messages`; see the port."""
        tries = await self._tries(model)
        while True:
            route = tries.place
            endpoint = self._endpoints[route.provider]
            began = False
            try:
                async with aclosing(endpoint.chat_model.stream(route.model, messages)) as chunks:
                    async for chunk in chunks:
                        if not began:
                            began = True
                            endpoint.health.answered()
                            yield replace(chunk, provider=route.provider)
                        else:
                            yield chunk
            except ModelError as error:
                endpoint.failed(error)
                if began:
                    raise
                await tries.failed(error)
            else:
                return

    async def forward(self, model: str, request: RawRequest) -> ForwardedAnswer:
        """Send `request` to where `model` is; see `ForwardingModel`."""
        tries = await self._tries(model)
        while True:
            route = tries.place
            endpoint = self._endpoints[route.provider]
            try:
                answer = await endpoint.chat_model.forward(route.model, request)
            except ModelError as error:
                endpoint.failed(error)
                await tries.failed(error)
            else:
                endpoint.health.answered()
                answer.provider = route.provider
                return answer

    async def aclose(self) -> None:
        """Close all connections."""
        for endpoint in self._endpoints.values():
            await endpoint.chat_model.aclose()

    async def _tries(self, model: str) -> Tries[Route]:
        if self._routes is None:
            await self.list_models()
        routes = self._routes.find(model) if self._routes else ()
        if not routes:
            raise UnknownRoute
        # Stable: among the healthy ones the order of the file decides, and among the others too.
        return Tries(
            sorted(routes, key=lambda route: not self._endpoints[route.provider].health.healthy), self._first_pause
        )


class UnknownRoute(ModelRefused):
    """No provider has this model."""

    def __init__(self) -> None:
        super().__init__("No provider offers this model.")
        self.status = 404
