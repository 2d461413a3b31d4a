"""Which models are on offer, asked of the endpoint at most every half minute."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chatkeep.errors import ChatkeepError
from chatkeep.llm.model import ChatModel, ModelError, ModelInfo

FRESH_SECONDS = 30.0
# An endpoint that hangs is not asked by every request in turn, yet soon enough after it has come back.
FRESH_SECONDS_OF_FAILURE = 3.0
_PATIENCE_SECONDS = 1.0


class UnknownModel(ChatkeepError):
    """The model is not on offer here."""

    status = 422
    code = "unknown_model"
    title = "This model is not on offer"

    def __init__(self, model: str, known: Sequence[str]) -> None:
        offered = ", ".join(known[:20]) or "none at the moment"
        super().__init__(f"{model[:100]!r} is not one of the models on offer: {offered}.")


@dataclass(frozen=True, slots=True)
class Offer:
    """The models, the default first, or why they cannot be told."""

    models: Sequence[ModelInfo]
    error: ModelError | None = None

    def find(self, name: str) -> ModelInfo | None:
        """The model that answers to `name`."""
        return next((info for info in self.models if name == info.id or name in info.other_names), None)

    @property
    def fresh_seconds(self) -> float:
        """How long it is worth keeping: not at all while a model is loading, because its progress is watched."""
        if self.error is not None:
            return FRESH_SECONDS_OF_FAILURE
        return FRESH_SECONDS if all(model.ready for model in self.models) else 0.0


class ModelCatalogue:
    """What `chat_model` offers, kept for a while; one question to the endpoint at a time.

    `beside` are models for chats alone, which nobody else writes answers for; none of them is a default.
    """

    def __init__(self, chat_model: ChatModel, clock: Callable[[], float], beside: Sequence[ModelInfo] = ()) -> None:
        self.beside = beside
        self._chat_model = chat_model
        self._clock = clock
        self._asking = asyncio.Lock()
        self._offer: Offer | None = None
        self._asked_at = 0.0

    async def offer(self) -> Offer:
        """The present offer; an endpoint that does not answer is part of it, not an exception."""
        async with self._asking:
            if self._offer is not None and self._clock() - self._asked_at < self._offer.fresh_seconds:
                return self._offer
            try:
                self._offer = Offer(await self._chat_model.list_models())
            except ModelError as error:
                self._offer = Offer((), error)
            self._asked_at = self._clock()
            return self._offer

    def find_known(self, name: str | None) -> ModelInfo | None:
        """The model that answers to `name`, as far as can be told without asking."""
        if name is None:
            return None
        offered = self._offer.find(name) if self._offer else None
        return offered or next((info for info in self.beside if info.id == name), None)

    @property
    def has_no_model(self) -> bool:
        """Whether it is known that there is none to ask, and will be none until an administrator does something."""
        error = self._offer.error if self._offer else None
        return error is not None and not error.retryable

    async def check(self, model: str) -> None:
        """Let `model` pass if it is on offer, or if nobody can say at the moment.

        Raises:
            UnknownModel: the endpoint answers, and does not have it.
        """
        offer = await self.offer()
        if offer.error is None and self.find_known(model) is None:
            raise UnknownModel(model, [info.id for info in (*offer.models, *self.beside)])

    async def known_default(self) -> str | None:
        """The default's name if it can be told at once or nearly so; for those who can do without it."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await self.default()
        except (ModelError, TimeoutError):
            return None

    async def default(self) -> str:
        """The first model on offer.

        Raises:
            ModelError: the endpoint cannot be asked, or offers none.
        """
        offer = await self.offer()
        if offer.error is not None:
            raise offer.error
        if not offer.models:
            raise NoModels("The model endpoint offers no model. Set CHATKEEP_LLM_MODELS to the names it knows.")
        return offer.models[0].id


class NoModels(ModelError):
    """The endpoint answers and has nothing."""

    code = "no_models"
    retryable = False
