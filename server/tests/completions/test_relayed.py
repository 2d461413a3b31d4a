"""What is passed on of an endpoint's stream, whatever its bytes, and what is read of it on the way."""

import json

import pytest

from chatkeep.completions.relayed import RelayedFrames
from chatkeep.completions.tally import Tally
from chatkeep.llm.model import ModelError, ModelGarbage, ModelPromptTooLong, ModelUnavailable, Usage

FIRST = b'{"choices":[{"index":0,"delta":{"content":"Hi"},"x":[1.0e5, {}]}],"usage":null}'
TOOLS = b'{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}}]}'
LAST = b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
USAGE = b'{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"x":1}}'


def event(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


STREAM = b"".join(map(event, (FIRST, TOOLS, LAST, USAGE, b"[DONE]")))


def relay(*reads: bytes, show_usage: bool = False) -> tuple[bytes, RelayedFrames, Tally]:
    tally = Tally()
    frames = RelayedFrames(tally, show_usage=show_usage)
    passed = []
    for read in reads:
        passed.append(frames.feed(read))
        if frames.error is not None:
            break
    return b"".join(passed), frames, tally


@pytest.mark.parametrize("size", [1, 2, 7, 64, 10_000])
def test_frames_pass_untouched_however_they_are_cut(size: int) -> None:
    reads = [STREAM[start : start + size] for start in range(0, len(STREAM), size)]
    passed, frames, tally = relay(*reads, show_usage=True)
    assert passed == b"".join(map(event, (FIRST, TOOLS, LAST, USAGE)))
    assert (frames.done, frames.finished) == (True, True)
    assert tally.usage == Usage(3, 4)


def test_a_usage_that_nobody_asked_for_is_read_and_kept_back() -> None:
    passed, _, tally = relay(STREAM)
    assert passed == b"".join(map(event, (FIRST, TOOLS, LAST)))
    assert tally.usage == Usage(3, 4)


def test_a_usage_beside_a_choice_is_no_reason_to_lose_the_choice() -> None:
    both = b'{"choices":[{"index":0,"delta":{"content":"x"}}],"usage":{"prompt_tokens":1,"completion_tokens":2}}'
    passed, _, tally = relay(event(both))
    assert passed == event(both)
    assert tally.usage == Usage(1, 2)


def test_an_answer_that_ends_early_is_counted_by_what_came() -> None:
    _, frames, tally = relay(event(FIRST), event(TOOLS))
    assert not frames.finished
    assert tally.usage is None
    assert tally.produced > len("Hi") + len("{}")


def test_several_choices_end_one_by_one() -> None:
    frames = RelayedFrames(Tally(), show_usage=False, choices=2)
    frames.feed(event(LAST))
    assert not frames.finished
    frames.feed(event(LAST.replace(b'"index":0', b'"index":1')))
    assert frames.finished


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b'{"error":{"message":"key sk-secret at 10.9.8.7","code":null}}', ModelUnavailable),
        (b'{"error":{"message":"sk-secret","code":"context_length_exceeded"},"choices":[]}', ModelPromptTooLong),
        (b'{"error":"sk-secret"}', ModelUnavailable),
        (b'{"choices":[<oops>', ModelGarbage),
        (b'{"choices":{"a":1}}', ModelGarbage),
        (b"[]", ModelGarbage),
        (b"null", ModelGarbage),
        (b"[" * 100_000, ModelGarbage),
        (b'{"choices":[' + b'{"delta":' * 50_000, ModelGarbage),
    ],
)
def test_rubbish_and_errors_are_not_passed_on(data: bytes, kind: type[ModelError]) -> None:
    passed, frames, _ = relay(event(FIRST) + event(data) + event(FIRST))
    # In one read with what breaks: what came before it is not lost, and nothing comes after.
    assert passed == event(FIRST)
    assert type(frames.error) is kind
    assert "secret" not in str(frames.error)


def test_a_frame_without_end_is_bounded() -> None:
    passed, frames, _ = relay(b"data: ", *[b"x" * 65536] * 129)
    assert passed == b""
    assert isinstance(frames.error, ModelGarbage)


def test_an_answer_without_end_is_bounded() -> None:
    long = event(b'{"choices":[{"delta":{"content":"' + b"x" * 1_000_000 + b'"}}]}')
    passed, frames, _ = relay(*[long] * 20)
    assert passed == long * 8
    assert isinstance(frames.error, ModelGarbage)


@pytest.mark.parametrize("usage", ['{"prompt_tokens":-5,"completion_tokens":1}', '{"prompt_tokens":1e30}', '"x"', "7"])
def test_a_usage_that_cannot_be_is_none(usage: str) -> None:
    _, _, tally = relay(event(b'{"choices":[],"usage":' + usage.encode() + b"}"))
    assert tally.usage is None


def test_a_bad_byte_costs_a_character_and_not_the_answer() -> None:
    passed, _, _ = relay(event(b'{"choices":[{"delta":{"content":"a\xffb"}}]}'))
    assert json.loads(passed.removeprefix(b"data: "))["choices"][0]["delta"]["content"] == "a\ufffdb"


@pytest.mark.parametrize("ending", [b"\r\n", b"\r"])
def test_other_line_ends_and_frames_of_several_lines_stay_frames(ending: bytes) -> None:
    spread = b'data: {"choices":' + ending + b'data: [{"delta":{"content":"x"}}]}' + ending + ending
    passed, _, _ = relay(b": comment" + ending + spread, b"")
    assert passed == b'data: {"choices":\ndata: [{"delta":{"content":"x"}}]}\n\n'
