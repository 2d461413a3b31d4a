"""What a token costs the client that reads it: ours, httpx by bytes and by lines, and the official openai client.

Every client runs in a process of its own against the same upstream process, on uvloop, and reads the text of every
answer (httpx by bytes only counts the bytes: it is what a blind pass-through would pay).
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial

import httpx
import openai
import uvloop

from bench.load import Measured
from bench.processes import module
from bench.report import measure, print_ratios
from chatkeep.llm.model import PromptMessage
from chatkeep.llm.openai import OpenAIChatModel

MODEL = "scripted"
Read = Callable[[str], Awaitable[int]]


def _body(message: str) -> dict[str, object]:
    return {"model": MODEL, "stream": True, "messages": [{"role": "user", "content": message}]}


def ours(url: str) -> Read:
    model = OpenAIChatModel(url, "sk-bench")

    async def read(message: str) -> int:
        return sum([len(chunk.text) async for chunk in model.stream(MODEL, [PromptMessage("user", message)])])

    return read


def httpx_bytes(url: str) -> Read:
    client = httpx.AsyncClient(base_url=url, trust_env=False, timeout=60, limits=httpx.Limits(max_connections=None))

    async def read(message: str) -> int:
        async with client.stream("POST", "/chat/completions", json=_body(message)) as response:
            return sum([len(data) async for data in response.aiter_raw()])

    return read


def httpx_lines(url: str) -> Read:
    client = httpx.AsyncClient(base_url=url, trust_env=False, timeout=60, limits=httpx.Limits(max_connections=None))

    async def read(message: str) -> int:
        size = 0
        async with client.stream("POST", "/chat/completions", json=_body(message)) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    for choice in json.loads(line[6:])["choices"]:
                        size += len(choice["delta"].get("content") or "")
        return size

    return read


def official(url: str) -> Read:
    client = openai.AsyncOpenAI(base_url=url, api_key="sk-bench", max_retries=0)

    async def read(message: str) -> int:
        stream = await client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": message}], stream=True
        )
        return sum([len(chunk.choices[0].delta.content or "") async for chunk in stream if chunk.choices])

    return read


CLIENTS: dict[str, Callable[[str], Read]] = {
    "openai client": official,
    "httpx, lines and json": httpx_lines,
    "httpx, bytes only": httpx_bytes,
    "chatkeep": ours,
}


async def _measure(name: str, url: str, streams: int, tokens: int) -> None:
    """Print the CPU seconds and the wall seconds that `streams` answers of `tokens` took."""
    read = CLIENTS[name](url)
    await read("[[tokens 10]]")
    wall, cpu = time.perf_counter(), time.process_time()
    sizes = await asyncio.gather(*(read(f"[[tokens {tokens}]]") for _ in range(streams)))
    assert min(sizes) >= tokens * 3
    print(json.dumps([time.process_time() - cpu, time.perf_counter() - wall]), flush=True)


async def _run(name: str, url: str, streams: int, tokens: int) -> Measured:
    command = [sys.executable, "-m", "bench.relay_client", name, url, str(streams), str(tokens)]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    printed, _ = await process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    cpu, wall = json.loads(printed)
    return Measured(streams * tokens, wall, cpu)


def _compare(title: str, options: list[str], streams: int, tokens: int, rounds: int) -> None:
    with module("chatkeep.llm.scripted_upstream", *options) as upstream:
        runs = {name: partial(_run, name, upstream.url, streams, tokens) for name in CLIENTS}
        measured = asyncio.run(measure(runs, rounds))
    print_ratios(f"{title}: {streams} streams of {tokens} tokens, median of {rounds} rounds", "token", measured)


def main() -> None:
    """Print the ratios."""
    _compare("Clients at saturation", [], streams=16, tokens=1000, rounds=3)
    _compare("Clients at 50 tokens/s a stream", ["--rate", "50"], streams=50, tokens=200, rounds=3)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        uvloop.run(_measure(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
    else:
        main()
