"""How Streamlit is set up here, theme included. Our values win over any config.toml or environment variable."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from streamlit.web import bootstrap

# One accent, a green-blue that keeps 4.5:1 as text on either background.
_LIGHT: Final = {
    "primaryColor": "#0f6b62",
    "backgroundColor": "#ffffff",
    "secondaryBackgroundColor": "#f3f4f2",
    "textColor": "#1d2423",
    "linkColor": "#0f6b62",
    "borderColor": "#d9dedb",
    "sidebar.backgroundColor": "#f6f7f5",
    "sidebar.secondaryBackgroundColor": "#ffffff",
}
_DARK: Final = {
    "primaryColor": "#5cc4b5",
    "backgroundColor": "#151a19",
    "secondaryBackgroundColor": "#1f2625",
    "textColor": "#e6ebe9",
    "linkColor": "#7ad3c6",
    "borderColor": "#333c3a",
    "sidebar.backgroundColor": "#101514",
    "sidebar.secondaryBackgroundColor": "#1c2322",
}
_SETTINGS: Final[dict[str, Any]] = {
    "browser.gatherUsageStats": False,
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    "client.showSidebarNavigation": False,
    "client.allowedOrigins": [],
    "global.developmentMode": False,
    "logger.level": "warning",
    "logger.hideWelcomeMessage": True,
    "runner.magicEnabled": False,
    "server.enableAgentApi": False,
    "server.enableStaticServing": False,
    # Streamlit's token for uploads is a cookie that scripts can read. Uploads are not served (front_door.py), and
    # websockets are let in by Origin and sign-in, so there is nothing for that cookie to protect.
    "server.enableXsrfProtection": False,
    "server.fileWatcherType": "none",
    "server.headless": True,
    "server.maxMessageSize": 10,
    "server.maxUploadSize": 1,
    "server.runOnSave": False,
    "server.showEmailPrompt": False,
    "server.trustedUserHeaders": {},
    "theme.baseFontSize": 16,
    "theme.baseRadius": "medium",
    "theme.buttonRadius": "medium",
    "theme.codeFontSize": "0.875rem",
    "theme.linkUnderline": True,
    "theme.showSidebarBorder": False,
    "theme.showWidgetBorder": True,
}
_HOST_LOGGERS: Final = ("uvicorn", "uvicorn.access", "uvicorn.asgi", "uvicorn.error", "websockets")


def configure() -> None:
    """Set Streamlit up. Its configuration belongs to the process: this comes before anything else of it runs."""
    themes = {f"theme.light.{name}": value for name, value in _LIGHT.items()}
    themes |= {f"theme.dark.{name}": value for name, value in _DARK.items()}
    with _host_logging_kept():
        bootstrap.load_config_options(_SETTINGS | themes)


@contextmanager
def _host_logging_kept() -> Iterator[None]:
    """Streamlit takes over the loggers of the server it runs in; how those log is for the server to say."""
    loggers = [logging.getLogger(name) for name in _HOST_LOGGERS]
    before = [(logger.level, logger.propagate, list(logger.handlers)) for logger in loggers]
    yield
    for logger, (level, propagate, handlers) in zip(loggers, before, strict=True):
        logger.setLevel(level)
        logger.propagate = propagate
        logger.handlers[:] = handlers
