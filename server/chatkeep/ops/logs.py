"""Logs: one line an event on standard error. No prompt, token or key is ever logged."""

import logging.config


def configure(level: str) -> None:
    """Set up the process's logging."""
    # At their own levels these log every request of the page, every statement, and every websocket that opens.
    noisy = ("alembic", "httpcore", "httpx", "sqlalchemy", "streamlit", "uvicorn.error", "watchdog", "websockets")
    quiet = {name: {"level": "WARNING"} for name in noisy}
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"level": level.upper(), "handlers": ["stderr"]},
            "loggers": quiet,
        }
    )
