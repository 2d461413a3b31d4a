"""Many rows as one parameter: a JSON object of values by id, which the database takes apart.

With `executemany` every row costs SQLAlchemy its processing on the event loop, and SQLite's thread the GIL. For values
that are long it is the better way all the same: SQLite reads JSON slowly.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Text, bindparam, cast
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine


class _JsonMap(FunctionElement[Any]):
    name = "json_map"
    inherit_cache = True


@compiles(_JsonMap)
def _postgresql(element: _JsonMap, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each_text(CAST({compiler.process(element.clauses, **options)} AS JSON))"


@compiles(_JsonMap, "sqlite")
def _sqlite(element: _JsonMap, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


def encode_map(values: Mapping[str, Any]) -> str:
    """What to give for the parameter.

    Ids become 32 hexadecimal digits, as SQLite keeps them and PostgreSQL takes them.
    """
    return msgspec.json.encode({key.replace("-", ""): value for key, value in values.items()}).decode()


class JsonMap:
    """What stands behind FROM, with one row for each member of the parameter `name`; see `encode_map`."""

    def __init__(self, name: str, key: TypeEngine[Any], value: TypeEngine[Any]) -> None:
        table = _JsonMap(bindparam(name, type_=Text)).table_valued("key", "value", name=name)
        self.key = cast(table.c.key, key)
        self.value = cast(table.c.value, value)
