"""Which index the settings ask for."""

import importlib.util
from pathlib import Path

from chatkeep.index.port import Indexes


def build_indexes(data_dir: Path, qdrant_url: str | None, qdrant_api_key: str | None) -> Indexes | None:
    """Those on a Qdrant server, or else the embedded ones in the data directory; nothing is started yet. None where
    what they need is not installed: then there are no documents.

    Raises:
        ValueError: a server is named, and what speaks to it is not installed; the message says what to do.
    """
    if importlib.util.find_spec("qdrant_edge") is None or importlib.util.find_spec("qdrant_client") is None:
        if qdrant_url is not None:
            raise ValueError("CHATKEEP_QDRANT_URL: install chatkeep[documents] to use it")
        return None
    if qdrant_url is not None:
        from chatkeep.index.qdrant import connect  # noqa: PLC0415 - an optional extra

        return connect(qdrant_url, qdrant_api_key)
    from chatkeep.index.edge import EdgeIndexes  # noqa: PLC0415 - an optional extra

    return EdgeIndexes(data_dir / "index")
