"""The colours carry their text at 4.5:1 (WCAG 2.2, 1.4.3), also where axe cannot tell because something overlaps."""

import re
from pathlib import Path

import pytest

import chatkeep_ui

STATIC = Path(chatkeep_ui.__file__).parent / "static"
PAGE = [
    ("ink", "paper"), ("ink", "side"), ("ink", "bubble"), ("ink", "tint"), ("ink", "code"), ("soft", "paper"),
    ("soft", "side"), ("soft", "code"), ("accent", "paper"), ("accent", "tint"), ("on-accent", "accent"),
    ("on-wrong", "wrong"), ("wrong", "wrong-paper"),
]  # fmt: skip
FORMS = [
    ("ink", "paper"), ("ink", "card"), ("soft", "card"), ("soft", "paper"), ("accent", "card"), ("accent", "paper"),
    ("accent-ink", "accent"), ("accent-ink", "accent-strong"), ("wrong", "card"), ("wrong", "wrong-paper"),
    ("ink", "said-paper"),
]  # fmt: skip


def palettes(sheet: str, prefix: str) -> list[dict[str, str]]:
    """The light and the dark one."""
    blocks = re.findall(r":root \{(.*?)\}", (STATIC / sheet).read_text(), re.DOTALL)
    light, dark = (dict(re.findall(rf"--{prefix}([\w-]+): (#[0-9a-f]{{6}});", block)) for block in blocks)
    return [light, light | dark]


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(("sheet", "prefix", "pairs"), [("page.css", "ck-", PAGE), ("forms.css", "", FORMS)])
@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_stands_out(sheet: str, prefix: str, pairs: list[tuple[str, str]], theme: int) -> None:
    colours = palettes(sheet, prefix)[theme]
    weak = {f"{ink} on {paper}": round(contrast(colours[ink], colours[paper]), 2) for ink, paper in pairs}

    assert {pair: ratio for pair, ratio in weak.items() if ratio < 4.5} == {}
