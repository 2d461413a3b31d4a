"""What one document may cost."""

from dataclasses import dataclass

_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one document, and of the process that reads it.

    Attributes:
        file_bytes: as it lies on disk.
        characters: of all its text.
        rows, columns: of a sheet or a table in a file; what is beyond is left out, with a notice.
        inflated_bytes: of all that is read out of an archive.
        chunk_tokens: the most that a chunk has; see docs/decisions/0034.
        tokenizer: path of a `tokenizer.json`; None counts by a rule of thumb.
        seconds: by the clock, from the start of the process to its end.
        cpu_seconds, memory_bytes: of the process; memory as address space.
        result_bytes: that it may send back.
    """

    file_bytes: int = 100 * _MIB
    characters: int = 10_000_000
    rows: int = 50_000
    columns: int = 200
    inflated_bytes: int = 512 * _MIB
    chunk_tokens: int = 220
    tokenizer: str | None = None
    seconds: float = 120.0
    cpu_seconds: int = 60
    memory_bytes: int = 512 * _MIB
    result_bytes: int = 128 * _MIB
