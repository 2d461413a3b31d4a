"""Statements for what every message does: put together once, and run on the driver itself.

To execute a statement, SQLAlchemy makes an execution context, a cursor and a result of it, some 120 calls of Python
that cost more than the database's part. Here it says once what the SQL is and how values go in and come out, and the
rows are the same.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData

_Process = Callable[[Any], Any]


class Rows(IteratorResult[*tuple[Any, ...]]):
    """What a statement gave. `rowcount` as the driver counted it."""

    def __init__(self, keys: SimpleResultMetaData, rows: Iterable[Sequence[Any]], rowcount: int) -> None:
        super().__init__(keys, iter(rows))
        self.rowcount = rowcount


class Prepared:
    """A statement of SQLAlchemy's that is worth being put together once; anything else costs that each time."""

    __slots__ = ("_compiled", "statement")

    def __init__(self, statement: Any) -> None:
        self.statement = statement
        self._compiled: dict[tuple[str, tuple[str, ...]], Compiled] = {}

    def compiled(self, dialect: Dialect, names: Iterable[str]) -> "Compiled":
        """For parameters with these names: an INSERT or UPDATE without values of its own sets those columns."""
        key = (dialect.name, tuple(names))
        found = self._compiled.get(key)
        if found is None:
            found = self._compiled[key] = Compiled(self.statement, dialect, key[1])
        return found


class Compiled:
    """SQL in one dialect, with what has to be done to the values on their way in and out."""

    __slots__ = ("_constants", "_keys", "_processes", "_results", "returns_rows", "sql")

    def __init__(self, statement: Any, dialect: Dialect, names: tuple[str, ...]) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=list(names) or None)
        expanded = compiled.construct_expanded_state(dict.fromkeys(names))
        self.sql: str = expanded.statement
        processes: dict[str, _Process | None] = dict.fromkeys(expanded.positiontup)
        for name in processes:
            # What IN was expanded to is not among the statement's own.
            bind = compiled.binds.get(name)
            of_type = bind.type.dialect_impl(dialect).bind_processor(dialect) if bind is not None else None
            processes[name] = expanded.processors.get(name) or of_type
        self._processes = [(name, processes[name]) for name in expanded.positiontup]
        self._constants = {name: expanded.parameters[name] for name in processes if name not in names}
        columns = list(getattr(statement, "exported_columns", ()))
        self._keys = SimpleResultMetaData([str(column.key) for column in columns])
        out = (column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns)
        self._results: list[tuple[int, _Process]] = [(index, each) for index, each in enumerate(out) if each]
        self.returns_rows = bool(columns)

    def bind(self, parameters: Mapping[str, Any]) -> list[Any]:
        """The values in the order of the SQL's placeholders, as the driver takes them."""
        values = {**self._constants, **parameters}
        return [values[name] if process is None else process(values[name]) for name, process in self._processes]

    def rows(self, rows: Iterable[Sequence[Any]], rowcount: int, names: Sequence[str] = ()) -> Rows:
        """What the driver gave; `names` are the columns' where the statement does not say, as with text()."""
        keys = SimpleResultMetaData(names) if names and not self.returns_rows else self._keys
        return Rows(keys, map(self._read, rows) if self._results else rows, rowcount)

    def _read(self, row: Sequence[Any]) -> Sequence[Any]:
        values = list(row)
        for index, process in self._results:
            values[index] = process(values[index])
        return values


def compile_once(statement: Any, dialect: Dialect, names: Iterable[str]) -> Compiled:
    """Either kind of statement; one that is not `Prepared` is forgotten afterwards."""
    prepared = statement if isinstance(statement, Prepared) else Prepared(statement)
    return prepared.compiled(dialect, names)
