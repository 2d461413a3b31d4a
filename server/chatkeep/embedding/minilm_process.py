"""The built-in embedder's own process: it computes on one niced thread, and the event loop never waits for it.

Frames in both directions (`processes.frames`). Each request is a list of texts, and its answer a
list of vectors (little-endian 32-bit floats), None for a text in a language that the model does not know. The first
answer comes unasked, when the model is loaded: an empty list, or a sentence that says what is wrong.

It must never outlive its parent: standard input ends when the parent is gone, however it went.
"""

import os
import sys
from typing import BinaryIO

import msgspec

from chatkeep.embedding.languages import KnownLanguages
from chatkeep.embedding.minilm import MiniLM, ModelMissing, find_model
from chatkeep.processes.child import keep_output
from chatkeep.processes.frames import LENGTH_BYTES, frame


def main() -> None:
    """Answer until standard input ends."""
    write = keep_output()
    os.nice(10)
    try:
        model, languages = MiniLM(find_model()), KnownLanguages()
    except (ModelMissing, ImportError, OSError) as error:
        write(frame(str(error)))
        return
    write(frame([]))
    while (texts := _read(sys.stdin.buffer)) is not None:
        known = [languages.knows(text) for text in texts]
        rows = iter(model.encode([text for text, is_known in zip(texts, known, strict=True) if is_known]))
        write(frame([next(rows).astype("<f4").tobytes() if is_known else None for is_known in known]))


def _read(requests: BinaryIO) -> list[str] | None:
    length = int.from_bytes(requests.read(LENGTH_BYTES), "big")
    return msgspec.msgpack.decode(requests.read(length), type=list[str]) if length else None


if __name__ == "__main__":
    main()
