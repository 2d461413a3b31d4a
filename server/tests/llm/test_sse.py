import itertools
from collections import deque

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatkeep.llm.sse import SseEventTooLarge, SseParser

_LINES = st.sampled_from(
    [
        b"data: a",
        b"data:b",
        b"data",
        b"data:  two spaces",
        b": comment",
        b"",
        b"",
        b"event: x",
        b"id: 1",
        b"data: \xff\xc3",
        b"dat",
    ]
)
_STREAM = st.builds(
    lambda bom, pairs: bom + b"".join(line + end for line, end in pairs),
    st.sampled_from([b"", b"\xef\xbb\xbf", b"\xef\xbb"]),
    st.lists(st.tuples(_LINES, st.sampled_from([b"\n", b"\r", b"\r\n", b""])), max_size=30),
)


def _parse(*reads: bytes) -> list[bytes]:
    parser = SseParser()
    return [event for read in reads for event in parser.feed(read)]


def _by_the_standard(stream: bytes) -> list[bytes]:
    """The standard's algorithm, word by word, over the whole stream at once."""
    events: list[bytes] = []
    data: list[bytes] = []
    text = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for line in text.split(b"\n")[:-1]:
        name, _, value = line.partition(b":")
        if not line:
            events += [b"\n".join(data)] if data else []
            data = []
        elif name == b"data":
            data.append(value.removeprefix(b" "))
    return events


@given(_STREAM, st.lists(st.integers(min_value=0, max_value=400)))
@example(b"data: a\r\n\r\ndata: b\r\n\r\n", [9])
@example(b"\xef\xbb\xbfdata: a\n\n", [1, 2])
def test_any_split_yields_what_the_standard_says(stream: bytes, cuts: list[int]) -> None:
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    reads = [stream[start:end] for start, end in itertools.pairwise(edges)]
    assert _parse(*reads) == _by_the_standard(stream)


@given(_STREAM)
def test_single_bytes_yield_the_same_events(stream: bytes) -> None:
    assert _parse(*(stream[at : at + 1] for at in range(len(stream)))) == _by_the_standard(stream)


def test_lines_of_data_are_joined_by_line_feeds() -> None:
    assert _parse(b"data: one\ndata: two\n\n") == [b"one\ntwo"]


def test_what_is_incomplete_at_the_end_is_no_event() -> None:
    assert _parse(b"data: whole\n\ndata: half\n") == [b"whole"]


def test_content_that_looks_like_a_frame_stays_content() -> None:
    assert _parse(b'data: {"content": "\\n\\ndata: [DONE]\\n\\n"}\n\n') == [b'{"content": "\\n\\ndata: [DONE]\\n\\n"}']


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("stream", [b"data: " + b"x" * 2000 + b"\n\n", b"x" * 2000, b"data: xxxxxxxx\n" * 200])
def test_a_sender_that_never_ends_an_event_is_stopped(stream: bytes, size: int) -> None:
    parser = SseParser(max_event_bytes=1000)
    reads = (stream[start : start + size] for start in range(0, len(stream), size))
    with pytest.raises(SseEventTooLarge):
        deque(map(parser.feed, reads), maxlen=0)


def test_many_small_events_are_not_one_large_one() -> None:
    assert len(SseParser(max_event_bytes=20).feed(b"data: 0123456\n\n" * 1000)) == 1000
