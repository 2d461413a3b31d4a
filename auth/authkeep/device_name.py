"""What people call a device: "Firefox on Linux" rather than what the browser says of itself.

User agents lie for the sake of old web sites: nearly all begin with Mozilla, and Edge claims to be Chrome and Safari as
well. So the first match counts, the most specific first. A name helps its user recognise a device, and decides nothing.
"""

import re

_BROWSERS = (
    ("Edg(?:e|A|iOS)?/", "Edge"),
    ("OPR/|OPiOS/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("DuckDuckGo/|Ddg/", "DuckDuckGo"),
    ("Firefox/|FxiOS/", "Firefox"),
    ("(?:Headless)?Chrome/|CriOS/", "Chrome"),
    ("Version/[0-9.]+ .*Safari/", "Safari"),
    ("curl/", "curl"),
    ("python-httpx/|python-requests/|aiohttp/|Python-urllib/", "Python"),
    ("node|undici", "Node.js"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Macintosh|Mac OS X|Darwin", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux|X11", "Linux"),
)
_MAX_LENGTH = 40


def device_name(user_agent: str) -> str:
    """From a User-Agent header (RFC 9110, section 10.1.5), already cut to a bounded length."""
    browser, system = _first(_BROWSERS, user_agent), _first(_SYSTEMS, user_agent)
    if browser and system:
        return f"{browser} on {system}"
    # Whatever else it is, by the name that it gives itself first.
    return browser or system or user_agent.partition("/")[0].strip()[:_MAX_LENGTH] or "Unknown device"


def _first(known: tuple[tuple[str, str], ...], user_agent: str) -> str:
    return next((name for pattern, name in known if re.search(pattern, user_agent)), "")
