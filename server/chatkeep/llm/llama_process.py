"""The built-in model's own process: llama.cpp's server on loopback, and nothing else of chatkeep.

It reads one line of JSON from standard input, a `LlamaConfig`: the key to demand comes that way because arguments and
environment can be read by other users of the machine. It reports on standard output, a line of JSON each: how far it
has come (`progress`, 0 to 1), then where it listens (`url`), or what went wrong (`error`).

It must never outlive its parent. On Linux the kernel kills it with the parent; everywhere, standard input ends when
the parent is gone, however it went.
"""

import hashlib
import json
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatkeep.processes.child import die_with, keep_output

_READ_BYTES = 4 << 20
# Reading the file is the slow part on a cold disk; what remains is llama.cpp's own work on it.
_SHARE_OF_READING = 0.7


@dataclass(frozen=True, slots=True)
class LlamaConfig:
    """`slots` answers are written at once, each with a context of `context_tokens`."""

    model_path: str
    model_sha256: str
    alias: str
    api_key: str
    parent: int
    slots: int
    context_tokens: int


class ModelFileDamaged(Exception):
    """The model file is not the one this version was tested with."""


def main() -> None:
    """Serve until standard input ends."""
    write = keep_output()

    def report(line: dict[str, Any]) -> None:
        write(json.dumps(line).encode() + b"\n")

    config = LlamaConfig(**json.loads(sys.stdin.buffer.readline()))
    die_with(config.parent)
    threading.Thread(target=_exit_at_eof, daemon=True).start()
    os.nice(10)
    try:
        _check_file(config, lambda share: report({"progress": share * _SHARE_OF_READING}))
        server = _serve(config)
    except (ModelFileDamaged, ImportError, OSError, RuntimeError) as error:
        report({"error": f"{type(error).__name__}: {error}"})
        os._exit(1)
    report({"url": server.listening_address})
    threading.Event().wait()


def _exit_at_eof() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


def _check_file(config: LlamaConfig, progress: Callable[[float], None]) -> None:
    """Read the model file once: it proves what it is, it is in memory when llama.cpp maps it, and progress is real."""
    path = Path(config.model_path)
    size = path.stat().st_size
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
            progress(min(file.tell() / size, 1.0))
    if digest.hexdigest() != config.model_sha256:
        raise ModelFileDamaged("the model file is not the one this version of chatkeep was tested with")


def _serve(config: LlamaConfig) -> Any:
    """Start llama.cpp's HTTP server; it returns when the model is loaded, and serves on threads of its own."""
    import xllamacpp  # noqa: PLC0415 (an optional dependency of 100 MB; only this process loads it)

    params = xllamacpp.CommonParams()
    params.model.path = config.model_path
    params.model_alias = {config.alias}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [config.api_key]
    params.n_parallel = config.slots
    params.n_ctx = config.slots * config.context_tokens
    # Two threads spin against each other on a busy machine and get less done than one.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cpuparams.poll = params.cpuparams_batch.poll = 0
    params.n_threads_http = config.slots + 2
    # llama.cpp would keep up to 8 GiB of old prompts for reuse.
    params.cache_ram_mib = 0
    params.cache_idle_slots = False
    params.n_ctx_checkpoints = 0
    params.endpoint_slots = params.endpoint_props = params.ui = False
    params.verbosity = 0
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
