"""Cuts a transcript into chunks: whole paragraphs where they fit, whole sentences where not, and no chunk with parts of
two sections unless both are small.

The document's whole text is its blocks, joined by an empty line; a chunk's text is a slice of it. Chunks overlap by one
sentence where a paragraph is cut, and together they hold every character that is not blank.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chatkeep.parsing.chunks import Chunk
from chatkeep.parsing.sentences import pieces_of
from chatkeep.parsing.tokens import CountTokens
from chatkeep.parsing.transcript import Block, shortened

BETWEEN_BLOCKS = "\n\n"

# The part of the most tokens below which a chunk goes on in the next section: a book of headings is not to become a
# book of chunks. A paragraph that would fit alone is then cut rather than left to the next chunk.
_TOO_SMALL = 4
# The part of the most tokens above which a sentence is not repeated.
_OVERLAP = 5
_CHARACTERS_PER_TOKEN = 10


@dataclass(frozen=True, slots=True)
class _Place:
    page: int | None
    headings: tuple[str, ...]
    is_heading: bool


@dataclass(frozen=True, slots=True)
class _Piece:
    """A sentence, or as much of one as fits; it is `cut` when it ends within a word."""

    start: int
    end: int
    tokens: int
    cut: bool
    place: _Place


def pack(blocks: Sequence[Block], count: CountTokens, most_tokens: int) -> Iterator[Chunk]:
    """In reading order. No chunk has more than `most_tokens`, by `count`, nor ten times as many characters.

    The headings of a chunk are those that all of it stands under. Takes time in proportion to the text.
    """
    return _Packing(blocks, count, most_tokens).chunks()


class _Packing:
    """`_pieces` are those of the chunk at hand."""

    def __init__(self, blocks: Sequence[Block], count: CountTokens, most_tokens: int) -> None:
        self._blocks = blocks
        self._text = BETWEEN_BLOCKS.join(block.text for block in blocks)
        self._count = count
        self._most_tokens = most_tokens
        self._most_characters = most_tokens * _CHARACTERS_PER_TOKEN
        self._pieces: list[_Piece] = []
        self._tokens = 0
        self._made = 0

    def chunks(self) -> Iterator[Chunk]:
        for pieces in self._blocks_in_pieces():
            if self._begins_anew(pieces):
                yield self._close(pieces[0])
            for piece in pieces:
                if self._pieces and not self._fit([self._pieces[0], piece], self._tokens + piece.tokens):
                    yield self._close(piece)
                self._pieces.append(piece)
                self._tokens += piece.tokens
                if piece.cut:
                    yield self._close(None)
        if self._pieces:
            yield self._close(None)

    def _blocks_in_pieces(self) -> Iterator[list[_Piece]]:
        start = 0
        path: list[tuple[int, str]] = []
        for block in self._blocks:
            if block.level is not None:
                while path and path[-1][0] >= block.level:
                    path.pop()
                path.append((block.level, shortened(block.text)))
            place = _Place(block.page, tuple(text for _, text in path), block.level is not None)
            spans = pieces_of(block.text, self._count, self._most_tokens, self._most_characters)
            yield [_Piece(start + begin, start + end, tokens, cut, place) for begin, end, tokens, cut in spans]
            start += len(block.text) + len(BETWEEN_BLOCKS)

    def _begins_anew(self, pieces: Sequence[_Piece]) -> bool:
        """Whether a block is better not begun in the chunk at hand."""
        if not self._pieces or self._tokens < self._most_tokens // _TOO_SMALL:
            return False
        if pieces[0].place.is_heading:
            return not self._pieces[-1].place.is_heading
        tokens = sum(piece.tokens for piece in pieces)
        return tokens <= self._most_tokens < self._tokens + tokens

    def _fit(self, pieces: Sequence[_Piece], tokens: int) -> bool:
        return tokens <= self._most_tokens and pieces[-1].end - pieces[0].start <= self._most_characters

    def _close(self, following: _Piece | None) -> Chunk:
        """The chunk at hand; the next one begins with what belongs before `following`."""
        carried = self._carried(following) if following else []
        # Headings move on with what they are over; a sentence is repeated.
        moved = len(carried) if carried and carried[0].place.is_heading else 0
        chunk = self._chunk(self._pieces[: len(self._pieces) - moved])
        self._pieces = carried
        self._tokens = sum(piece.tokens for piece in carried)
        return chunk

    def _carried(self, following: _Piece) -> list[_Piece]:
        """The headings over what follows, or the sentence before it in the same paragraph; where they fit."""
        last = self._pieces[-1]
        if last.place.is_heading:
            carried = list(itertools.takewhile(lambda piece: piece.place.is_heading, reversed(self._pieces)))[::-1]
        elif last.place is following.place and last.tokens <= self._most_tokens // _OVERLAP:
            carried = [last]
        else:
            return []
        tokens = sum(piece.tokens for piece in carried) + following.tokens
        return carried if len(carried) < len(self._pieces) and self._fit([carried[0], following], tokens) else []

    def _chunk(self, pieces: Sequence[_Piece]) -> Chunk:
        self._made += 1
        start, end = pieces[0].start, pieces[-1].end
        under = [piece.place.headings for piece in pieces if not piece.place.is_heading] or [pieces[-1].place.headings]
        return Chunk(
            n=self._made,
            text=self._text[start:end],
            start=start,
            end=end,
            page=pieces[0].place.page,
            headings=_common(under),
            tokens=sum(piece.tokens for piece in pieces),
        )


def _common(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The headings that all of these paths begin with."""
    low, high = min(paths), max(paths)
    same = 0
    while same < min(len(low), len(high)) and low[same] == high[same]:
        same += 1
    return low[:same]
