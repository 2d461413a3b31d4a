"""The built-in embedder's own process: it computes on one niced thread, and the event loop never waits for it.

Frames in both directions: four bytes of length, then MessagePack. Each request is a list of texts, and its answer a
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

LENGTH_BYTES = 4


def frame(message: object) -> bytes:
    """As it goes over the pipe."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def main() -> None:
    """Answer until standard input ends."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb", buffering=0)
    # Whatever a library prints is no answer.
    os.dup2(2, 1)
    os.nice(10)
    try:
        model, languages = MiniLM(find_model()), KnownLanguages()
    except (ModelMissing, ImportError, OSError) as error:
        answers.write(frame(str(error)))
        return
    answers.write(frame([]))
    while (texts := _read(requests)) is not None:
        known = [languages.knows(text) for text in texts]
        rows = iter(model.encode([text for text, is_known in zip(texts, known, strict=True) if is_known]))
        answers.write(frame([next(rows).astype("<f4").tobytes() if is_known else None for is_known in known]))


def _read(requests: BinaryIO) -> list[str] | None:
    length = int.from_bytes(requests.read(LENGTH_BYTES), "big")
    return msgspec.msgpack.decode(requests.read(length), type=list[str]) if length else None


if __name__ == "__main__":
    main()
