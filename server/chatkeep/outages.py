"""A PostgreSQL that does not answer: its driver has many names for that, and the rest of the program has one.

A connection that is refused, cut or silent for too long is `DatabaseAway`, whoever uses the engine; so is a SQLite
that too many wait for.
"""

from typing import Any, ClassVar

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from chatkeep.errors import ChatkeepError


class DatabaseAway(ChatkeepError):
    """For now. What was asked for may have been done all the same, if it was the answer that got lost."""

    status = 503
    code = "database_unavailable"
    title = "The database does not answer"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "5"}

    def __init__(self) -> None:
        super().__init__("Try again in a few seconds. Send a message with the Idempotency-Key it had, if it had one.")


AWAY = (DatabaseAway, NoConnectionFree, TimeoutError)
"""Every error that means it. The second comes from the line for a connection, the third from the look at an old one."""


def tell_outages(engine: Engine) -> None:
    """Let everything that comes to `engine` hear of an outage as `DatabaseAway`; its cause is what the driver said."""

    @event.listens_for(engine, "do_connect")
    def _connect(dialect: Any, _: Any, arguments: Any, options: Any) -> Any:
        try:
            return dialect.connect(*arguments, **options)
        except Exception as error:  # whatever it is, there is no connection
            raise DatabaseAway from error

    @event.listens_for(engine, "handle_error")
    def _tell(context: ExceptionContext) -> None:
        error = context.original_exception
        if isinstance(error, TimeoutError):
            # What it asked may still be answered, to whoever is given this connection next.
            context.is_disconnect = True
        # The pool asks before it hands a connection out, and makes another by itself.
        if context.is_disconnect and isinstance(error, Exception) and not context.is_pre_ping:
            raise DatabaseAway from error
