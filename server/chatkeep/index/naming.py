"""What an index is called, on disk and on a server, and what is stored with it to know it by."""

import hashlib
import re
from typing import Any

import msgspec

from chatkeep.index.port import IndexSpec
from chatkeep.index.words import BM25


def index_name(spec: IndexSpec) -> str:
    """Readable for operators, safe as a folder's name, and another for every other spec."""
    slug = re.sub(r"[^a-z0-9]+", "-", spec.model.lower()).strip("-")[:40]
    digest = hashlib.sha256(msgspec.json.encode(description(spec), order="sorted")).hexdigest()
    return f"{slug or 'model'}-{spec.dimension}-{digest[:12]}"


def description(spec: IndexSpec) -> dict[str, Any]:
    """As JSON has it; `read_description` is its reverse."""
    return {"spec": msgspec.to_builtins(spec), "bm25": BM25}


def read_description(stored: object) -> IndexSpec | None:
    """The spec that was stored; None where something else was, or how words are weighed has changed since."""
    match stored:
        case {"spec": spec, "bm25": bm25} if bm25 == BM25:
            try:
                return msgspec.convert(spec, IndexSpec)
            except msgspec.ValidationError:
                return None
        case _:
            return None
