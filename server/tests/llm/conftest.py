"""A scripted endpoint on a real socket, our client for it, and both event loops."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from chatkeep.llm.http_response import Bounds
from chatkeep.llm.openai import OpenAIChatModel
from chatkeep.llm.scripted_upstream import ScriptedUpstream

# Short, because tests wait for them to run out; no test asserts how long anything took.
QUICK = Bounds(connect=5.0, first_byte=0.5, idle=0.5, total=60.0, body=4 << 20)


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The client's tests run on the production loop and on the standard one; to load a model twice would be slow."""
    if item.path.name == "test_local.py":
        return {"uvloop": uvloop.new_event_loop}
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    upstream = ScriptedUpstream()
    await upstream.start()
    yield upstream
    await upstream.aclose()


@pytest.fixture
async def model(upstream: ScriptedUpstream) -> AsyncIterator[OpenAIChatModel]:
    model = OpenAIChatModel(upstream.url, "sk-test", bounds=QUICK)
    yield model
    await model.aclose()
