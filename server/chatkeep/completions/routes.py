"""/v1/models and /v1/chat/completions, as OpenAI's clients expect them."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from typing_extensions import override
from uuid_utils.compat import uuid7

from chatkeep.completions.accounting import Account
from chatkeep.completions.dependencies import Services
from chatkeep.completions.errors import Failure, ModelNotOffered, failure_of
from chatkeep.completions.requests import CompletionRequest, read_request
from chatkeep.completions.response import CompletionResponse, Order, refusal
from chatkeep.completions.schemas import ModelCard, ModelCards
from chatkeep.identity import (
    AuthError,
    CompletionsOwner,
    PolicyFirst,
    throttled,
)
from chatkeep.limits.dependencies import CurrentPayer
from chatkeep.limits.quotas import Claim
from chatkeep.llm.model import ModelError

# What an answer may become where its caller does not say: a place in the quota, not a bound.
_LIKELY_COMPLETION_TOKENS = 4096
# More than there are in any answers to one request, and fewer than a column holds.
_MOST_COMPLETION_TOKENS = 100_000_000


class OpenAIRoute(PolicyFirst):
    """Tells who may not call in OpenAI's shape; all other refusals under /v1 have it by their path."""

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_or_explain(request: Request) -> Response:
            try:
                return await handle(request)
            except AuthError as error:
                return refusal(Failure.of(error))
            except ModelError as error:
                return refusal(failure_of(error, ()))

        return handle_or_explain


router = APIRouter(prefix="/v1", route_class=OpenAIRoute, tags=["completions"])


@router.get("/models")
async def list_models(_: CompletionsOwner, services: Services) -> ModelCards:
    """The models on offer, the default first."""
    offer = await services.catalogue.offer()
    if offer.error is not None:
        raise offer.error
    return ModelCards(data=[ModelCard.of(info) for info in offer.models])


@router.get("/models/{model:path}")
async def get_model(_: CompletionsOwner, services: Services, model: Annotated[str, Path(max_length=400)]) -> ModelCard:
    """One of them, by any name that it answers to."""
    offer = await services.catalogue.offer()
    if offer.error is not None:
        raise offer.error
    info = offer.find(model)
    if info is None:
        raise ModelNotOffered(model)
    return ModelCard.of(info)


@router.post(
    "/chat/completions",
    response_class=Response,
    dependencies=[Depends(throttled("send"))],
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}, "required": True}},
)
async def complete(request: Request, owner: CompletionsOwner, payer: CurrentPayer, services: Services) -> Response:
    """Answer a conversation that the caller keeps, in a stream or at once. What is not known here is passed on."""
    asked = read_request(await request.body())
    offer = await services.catalogue.offer()
    info = offer.find(asked.model)
    # Where nobody can say at the moment what there is, the endpoint will.
    if info is None and offer.error is None:
        raise ModelNotOffered(asked.model)
    # By whichever of its names it is asked, its quotas and prices are those of the one on offer.
    model = info.id if info else asked.model
    account = Account(services.database, services.quotas, owner, payer, _claim(asked, model))
    order = Order(owner, asked, account, model, info.slots if info else None)
    return CompletionResponse(services.chat_model, services.underway, services.turns, order)


def _claim(asked: CompletionRequest, model: str) -> Claim:
    at_most = min((asked.at_most or _LIKELY_COMPLETION_TOKENS) * asked.choices, _MOST_COMPLETION_TOKENS)
    return Claim(str(uuid7()), model, asked.prompt_tokens, at_most, "completions")
