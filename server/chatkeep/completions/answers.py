"""Asking a model for a completion: in its endpoint's own words where it has one, else through the port."""

from collections.abc import AsyncGenerator
from typing import Protocol

from chatkeep.completions.relayed import RelayedDocument, RelayedStream
from chatkeep.completions.requests import CompletionRequest, plain_options, plain_prompt
from chatkeep.completions.tally import Tally
from chatkeep.completions.written import WrittenDocument, WrittenStream
from chatkeep.llm.forwarding import ForwardingModel
from chatkeep.llm.model import ChatModel, TunableModel


class Answer(Protocol):
    """An answer that has begun. `aclose` it in any case, which stops a model that still runs."""

    tally: Tally

    def pieces(self) -> AsyncGenerator[bytes, None]:
        """Its body; each piece can be the last.

        Raises:
            ModelError: it fails here.
        """
        ...

    async def aclose(self) -> None: ...


async def ask(chat_model: ChatModel, request: CompletionRequest) -> Answer:
    """Have `chat_model` begin to answer.

    Raises:
        ModelError: it does not.
        RequestInvalid: it is asked for what this model cannot do.
    """
    if isinstance(chat_model, ForwardingModel):
        forwarded = await chat_model.forward(request.model, request.raw)
        if not request.raw.stream:
            return RelayedDocument(forwarded)
        return RelayedStream(forwarded, show_usage=request.raw.wants_usage, choices=request.choices)
    prompt = plain_prompt(request)
    if isinstance(chat_model, TunableModel):
        chunks = chat_model.stream_tuned(request.model, prompt, plain_options(request))
    else:
        chunks = chat_model.stream(request.model, prompt)
    try:
        first = await anext(chunks, None)
    except BaseException:  # cancellation too must stop the model
        await chunks.aclose()
        raise
    if not request.raw.stream:
        return WrittenDocument(request.model, first, chunks)
    return WrittenStream(request.model, first, chunks, show_usage=request.raw.wants_usage)
