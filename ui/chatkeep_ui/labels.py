"""People's words as labels of Streamlit's elements, which read Markdown: here every character means itself."""

import re
from typing import Final

from chatkeep_ui.answer_html import storable

# Markdown's punctuation, and the colon that begins Streamlit's own `:directives:`.
_MEANINGFUL: Final = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&=\"'^])")
_SPACES: Final = re.compile(r"\s+")


def label(text: str, longest: int = 60) -> str:
    """One line of at most `longest` characters that is shown as it is."""
    line = _SPACES.sub(" ", storable(text)).strip()
    short = line if len(line) <= longest else line[: longest - 1].rstrip() + "…"
    return _MEANINGFUL.sub(r"\\\1", short)
