"""A model's Markdown as HTML that is safe by construction: only tags and attributes written here can come out.

Streamlit's own Markdown loads images and reads dollar signs and `:names:` as directives of its own, which a model's
text does not mean. Here raw HTML is text (CommonMark parser with html off), images become words, and a link needs an
http, https or mailto address. DOMPurify in the browser and the Content-Security-Policy stand behind this.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Final
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import find_lexer_class_by_name
from pygments.util import ClassNotFound

from chatkeep_ui.citation_links import link_citations
from chatkeep_ui.sources import Source

_LINK_SCHEMES: Final = frozenset({"http", "https", "mailto"})
# Colouring is a nicety, and lexers are regular expressions over text a model chose: many take time that grows with the
# square of the length (`make` took 12 s for 20,000 characters). These were measured with fifty odd inputs each, and
# need at most 0.13 s for a block of the greatest length. MOST_COLOURED bounds all blocks of an answer together.
_COLOURED: Final = frozenset(
    {
        "bash", "c", "console", "cpp", "css", "docker", "go", "haskell", "html", "ini", "java", "javascript", "json",
        "kotlin", "lua", "perl", "php", "powershell", "pycon", "python", "ruby", "rust", "scss", "sql", "splus",
        "swift", "toml", "typescript", "xml", "yaml",
    }
)  # fmt: skip
LONGEST_COLOURED: Final = 2_000
MOST_COLOURED: Final = 6_000
# Parsing takes up to 0.06 ms for each character that may mean something, and every tab that shows the answer does it.
LONGEST_PARSED: Final = 200_000
MOST_MARKS: Final = 10_000
_MARKS: Final = "!#&*<>[]_`|~\\\n"
HIGHEST_HEADING: Final = 2


def answer_html(markdown: str, sources: Iterable[Source] = (), *, growing: bool = False) -> str:
    """Render a model's answer, which may cite `sources`.

    While it is `growing` it is drawn again and again, and its code stays uncoloured.
    """
    text = storable(markdown)
    if len(text) > LONGEST_PARSED or sum(map(text.count, _MARKS)) > MOST_MARKS:
        return f'<div class="ck-plain">{escape(text)}</div>'
    known = {source.n: source for source in sources}
    html: str = _PARSER.render(text, {"to_colour": 0 if growing else MOST_COLOURED, "sources": known})
    return html


def plain_html(text: str) -> str:
    """Render what a person typed: as typed."""
    return escape(storable(text))


def storable(text: str) -> str:
    """`text` without lone surrogates, which no UTF-8 message to the browser can carry."""
    return text.encode("utf-8", "replace").decode()


def safe_link(url: str) -> bool:
    """Whether a link may lead to `url`. Relative addresses may not: ours are not the model's to link to."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return False
    return parts.scheme.lower() in _LINK_SCHEMES and bool(parts.netloc or parts.scheme.lower() == "mailto")


class AnswerRenderer(RendererHTML):
    """The rules that differ from CommonMark's own renderer."""

    def image(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
        """Name the image; never load it: its address would tell its owner who reads, and what was asked."""
        words = self.renderInlineAsText(tokens[index].children or [], options, env).strip()
        return f'<span class="ck-image">[image{": " if words else ""}{escape(words)}]</span>'

    def link_open(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
        """Open elsewhere, and tell the other side nothing."""
        address = str(tokens[index].attrs.get("href", ""))
        # The parser lets an address through that it could not read, as an empty one: a link to our own page.
        if not safe_link(address):
            return "<a>"
        return f'<a href="{escape(address)}" target="_blank" rel="noopener noreferrer nofollow">'

    def citation(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
        """The numbers of passages, each a link of ours (citation_links.py)."""
        links = "".join(env["sources"][number].cited_html() for number in tokens[index].meta["numbers"])
        return f'<span class="ck-cites">{links}</span>'

    def fence(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
        """Code with its language's name and a copy button, which static/page.js answers."""
        language = tokens[index].info.strip().split(maxsplit=1)[:1]
        return _code_block(tokens[index].content, language[0] if language else "", env)

    def code_block(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
        """Indented code, which has no language."""
        return _code_block(tokens[index].content, "", env)

    def table_open(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
        """Wide tables scroll by themselves; the keyboard can reach them."""
        return '<div class="ck-table" tabindex="0" role="region" aria-label="Table"><table>'

    def table_close(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
        """End of the scrolling box."""
        return "</table></div>"


def level_headings(state: StateCore) -> None:
    """A rule of the parser: an answer's headings begin below the page's own and never skip a level."""
    headings = [token for token in state.tokens if token.type == "heading_open"]
    written = [int(token.tag[1]) for token in headings]
    level = HIGHEST_HEADING - 1
    levels: list[int] = []
    for rank in written:
        level = min(level + 1, HIGHEST_HEADING + rank - min(written), 6)
        levels.append(level)
    closing = [token for token in state.tokens if token.type == "heading_close"]
    for opened, closed, wanted in zip(headings, closing, levels, strict=True):
        opened.tag = closed.tag = f"h{wanted}"


def _code_block(code: str, language: str, env: EnvType) -> str:
    name = escape(language[:30])
    copy = '<button type="button" class="ck-copy" data-ck-copy="code">Copy</button>'
    head = f'<div class="ck-code-head"><span>{name or "text"}</span>{copy}</div>'
    return f'<div class="ck-code">{head}<pre tabindex="0"><code>{_coloured(code, language, env)}</code></pre></div>\n'


def _coloured(code: str, language: str, env: EnvType) -> str:
    lexer = _lexer(language) if len(code) <= min(LONGEST_COLOURED, env["to_colour"]) else None
    if lexer is None:
        return escape(code)
    env["to_colour"] -= len(code)
    coloured: str = highlight(code, lexer, _FORMATTER)
    return coloured


def _lexer(language: str) -> Lexer | None:
    try:
        found = find_lexer_class_by_name(language.lower())
    except ClassNotFound:
        return None
    return found(stripnl=False, ensurenl=False) if found.aliases[0] in _COLOURED else None


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True}, renderer_cls=AnswerRenderer)
    parser.enable(["table", "strikethrough"])
    parser.core.ruler.push("level_headings", level_headings)
    link_citations(parser)
    parser.validateLink = safe_link  # type: ignore[method-assign]  # the documented way to set it
    return parser


_FORMATTER: Final[HtmlFormatter[Any]] = HtmlFormatter(nowrap=True, classprefix="ck-c-")
_PARSER: Final = _parser()
