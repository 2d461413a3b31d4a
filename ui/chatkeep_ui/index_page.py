"""Streamlit's index.html, made ours: our title, icon, style and script in; pointers to what we do not serve out."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Final

from streamlit.file_util import get_static_dir

_HEAD: Final = """
    <title>chatkeep</title>
    <link rel="icon" href="/assets/icon.svg" type="image/svg+xml" />
    <link rel="stylesheet" href="/assets/page.css" />
    <meta name="color-scheme" content="light dark" />
    <script src="/assets/page.js" defer></script>
    <script src="/assets/conversation.js" defer></script>
    <script src="/assets/in_step.js" defer></script>
  </head>"""
_NOSCRIPT: Final = "<noscript><p>The chats need JavaScript. Signing in and out works without it.</p></noscript>"
# What goes: Streamlit's own title and icon, the agent API's description, and the one inline script (a flag for
# crawlers), so that the policy can forbid inline scripts altogether.
_REMOVED: Final = (
    r"<!--.*?-->",
    r"<title>.*?</title>",
    r'<link rel="shortcut icon"[^>]*>',
    r'<link rel="service-desc"[^>]*>',
    r"<script>.*?</script>",
)


class IndexChanged(RuntimeError):
    """Streamlit's index.html is not what this version of chatkeep-ui was made for."""


def index_html() -> str:
    """The page every load of `/` gets.

    Raises:
        IndexChanged: Streamlit ships an index.html this module does not understand.
    """
    html = Path(get_static_dir(), "index.html").read_text(encoding="utf-8")
    for pattern in _REMOVED:
        html = re.sub(pattern, "", html, flags=re.DOTALL)
    html = re.sub(r"<noscript>.*?</noscript>", _NOSCRIPT, html, flags=re.DOTALL)
    html, heads = re.subn(r"\s*</head>", lambda _: _HEAD, html)
    # Relative addresses would break on any path but "/".
    html = html.replace('="./', '="/')
    if heads != 1 or "<script>" in html or '<div id="root">' not in html:
        raise IndexChanged("Streamlit's index.html has changed; install the version in requirements")
    return html


def assets_directory() -> str:
    """Where the style sheets, scripts and icon lie."""
    return str(files("chatkeep_ui") / "static")


def font_file() -> Path:
    """Streamlit's text face, so that the forms look like the chats. Its name carries a hash.

    Raises:
        IndexChanged: it is not there.
    """
    found = sorted(Path(get_static_dir(), "static", "media").glob("SourceSansVF-Upright*.woff2"))
    if not found:
        raise IndexChanged("Streamlit no longer ships Source Sans")
    return found[0]
