"""The process in which one document is read: `python -m chatkeep.parsing.child <request>`, the file on its standard
input, an `Outcome` on its standard output, nothing anywhere else.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from chatkeep.parsing.chunks import ParsedDocument, Unreadable
from chatkeep.parsing.confinement import confine, open_reserve
from chatkeep.parsing.limits import Limits
from chatkeep.parsing.refusals import damaged, too_large


class Request(msgspec.Struct, frozen=True):
    """`ending` as in `read_document`; `parent` is the process that waits for the outcome."""

    ending: str
    limits: Limits
    parent: int


class Refusal(msgspec.Struct, frozen=True):
    """`raised` names the class of an error that no parser foresaw, for the operator."""

    code: str
    message: str
    raised: str | None = None


class Outcome(msgspec.Struct, frozen=True):
    """One of the two."""

    document: ParsedDocument | None = None
    refusal: Refusal | None = None


def main() -> None:
    """Read the request, then the document."""
    request = msgspec.json.decode(sys.argv[1], type=Request)
    confine(request.limits, request.parent)
    # Only now, so that it counts. What fails in here is not the document's fault: it ends the process with status 1.
    from chatkeep.parsing.reading import read_document  # noqa: PLC0415
    from chatkeep.parsing.tokens import tokens_by, tokens_roughly  # noqa: PLC0415

    limits = request.limits
    count = tokens_by(Path(limits.tokenizer)) if limits.tokenizer else tokens_roughly
    encoded = _encoded_outcome(lambda: read_document(sys.stdin.buffer, request.ending, limits, count))
    with os.fdopen(sys.stdout.fileno(), "wb", closefd=False) as out:
        out.write(encoded)


def _encoded_outcome(read: Callable[[], ParsedDocument]) -> bytes:
    try:
        return msgspec.msgpack.encode(Outcome(document=read()))
    except Unreadable as refused:
        return _refused(refused)
    except MemoryError:
        open_reserve()
        return _refused(too_large("It takes more memory"))
    except Exception as error:  # noqa: BLE001 - whatever a parser stumbles over, the file's owner is told something useful
        return _refused(damaged(), type(error).__name__)


def _refused(refused: Unreadable, raised: str | None = None) -> bytes:
    return msgspec.msgpack.encode(Outcome(refusal=Refusal(refused.code, refused.message, raised)))


if __name__ == "__main__":
    main()
