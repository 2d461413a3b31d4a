"""Rows of cells as lines that can be read, searched and cited on their own."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from chatkeep.parsing.limits import Limits
from chatkeep.parsing.transcript import Transcript, one_line

_LONGEST_NAME = 80
_FEWEST_COLUMNS = 2


def add_table(
    rows: Iterable[Sequence[str]], transcript: Transcript, limits: Limits, *, page: int | None = None
) -> None:
    """A table: "Name: Tea | Price: 3" for each row where the first one names the columns, else "Tea | 3".

    No more rows are taken from `rows` than are read.

    Raises:
        Unreadable
    """
    transcript.add_lines(_lines(_bounded(rows, transcript, limits)), page)


def begin_row(rows: list[list[str]], limits: Limits) -> None:
    """A new last row of a table that is gathered first. Beyond the bound rows replace each other: one more than is read
    stays, so that it is noticed.
    """
    if len(rows) > limits.rows:
        rows.pop()
    rows.append([])


def _bounded(rows: Iterable[Sequence[str]], transcript: Transcript, limits: Limits) -> Iterator[list[str]]:
    for number, row in enumerate(rows):
        if number == limits.rows:
            transcript.notice(f"Of a table only the first {limits.rows:,} rows were read.")
            return
        if len(row) > limits.columns:
            transcript.notice(f"Of a table only the first {limits.columns:,} columns were read.")
        cells = [one_line(cell) for cell in row[: limits.columns]]
        if any(cells):
            yield cells


def _lines(rows: Iterator[list[str]]) -> Iterator[str]:
    first = next(rows, [])
    second = next(rows, [])
    yield from _joined(first)
    names = first if second and _are_names(first) else []
    for row in itertools.chain([second], rows):
        pairs = itertools.zip_longest(names, row, fillvalue="")
        yield from _joined(f"{name}: {cell}" if name and cell else cell for name, cell in pairs)


def _joined(cells: Iterable[str]) -> Iterator[str]:
    there = [cell for cell in cells if cell]
    if there:
        yield " | ".join(there)


def _are_names(row: Sequence[str]) -> bool:
    """Whether the first row names the columns: short, all different, and none a number."""
    there = [cell for cell in row if cell]
    return (
        len(there) >= _FEWEST_COLUMNS
        and len(set(there)) == len(there)
        and all(len(cell) <= _LONGEST_NAME and cell.strip("0123456789.,-+% ") != "" for cell in there)
    )
