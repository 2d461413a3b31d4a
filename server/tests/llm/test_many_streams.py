"""A client library has been seen to abort the whole process when streams are cut on uvloop; ours must not."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator

import pytest

from chatkeep.llm.openai import OpenAIChatModel
from chatkeep.llm.testing import Answer, ask, eventually


@pytest.fixture
def upstream_url() -> Iterator[str]:
    """The scripted upstream as people start it: a process of its own."""
    command = [sys.executable, "-m", "chatkeep.llm.scripted_upstream", "--rate", "500", "--until-eof"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate()
        assert process.returncode == 0


async def test_32_streams_cut_over_and_over_leave_the_client_whole(upstream_url: str) -> None:
    model = OpenAIChatModel(upstream_url)
    for cut_after in range(1, 13):
        streams = [asyncio.create_task(ask(model, "count to 10000")) for _ in range(32)]
        asked = [asyncio.create_task(ask(model, "count to 10000", most_chunks=cut_after)) for _ in range(8)]
        await asyncio.wait(asked)
        for stream in streams:
            stream.cancel()
        await asyncio.wait(streams)
    await eventually(lambda: not model.open_connections)
    assert (await ask(model, "count to 20")).text.split() == [str(number) for number in range(1, 21)]
    await model.aclose()


async def test_an_endpoint_that_is_killed_breaks_every_stream_and_nothing_else() -> None:
    command = [sys.executable, "-m", "chatkeep.llm.scripted_upstream", "--rate", "200"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    model = OpenAIChatModel((await process.stdout.readline()).decode().strip())
    streams = [asyncio.create_task(ask(model, "count to 10000")) for _ in range(32)]
    assert (await ask(model, "count to 10000", most_chunks=3)).text
    process.kill()
    await process.wait()
    answers: list[Answer] = await asyncio.gather(*streams)
    assert {answer.error.code for answer in answers if answer.error} <= {"model_stream_broken", "model_unavailable"}
    assert all(answer.error for answer in answers)
    assert (await ask(model, "hello")).error is not None
    await eventually(lambda: not model.open_connections)


async def test_many_at_once_do_not_mix(upstream_url: str) -> None:
    model = OpenAIChatModel(upstream_url)
    answers = await asyncio.gather(*(ask(model, f"[[say {number} {'x ' * number}]]") for number in range(100)))
    assert [answer.text.split()[0] for answer in answers] == [str(number) for number in range(100)]
    await model.aclose()
