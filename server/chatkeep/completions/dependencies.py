"""What the door's routes are given: the services of this application, and whose request it is."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from chatkeep.completions.open_completions import OpenCompletions
from chatkeep.db import Database
from chatkeep.limits.quotas import Quotas
from chatkeep.limits.turns import Turns
from chatkeep.llm.catalogue import ModelCatalogue
from chatkeep.llm.model import ChatModel


@dataclass(frozen=True, slots=True)
class CompletionServices:
    """Made by the composition root, held by the application's state."""

    database: Database
    chat_model: ChatModel
    catalogue: ModelCatalogue
    quotas: Quotas
    turns: Turns
    underway: OpenCompletions


async def _services(request: Request) -> CompletionServices:
    return cast(CompletionServices, request.app.state.completions)


Services = Annotated[CompletionServices, Depends(_services)]
