"""The event log: numbered without a gap, resumed exactly, bounded, and safe from its own content."""

import asyncio
import tracemalloc

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkeep.chat.event_log import EventLog, encode_frame


def events_of(stream: bytes) -> list[dict]:
    """Read frames as strictly as a client would: three lines and an empty one."""
    events = []
    for frame in stream.split(b"\n\n")[:-1]:
        id_line, event_line, data_line = frame.split(b"\n")
        data = msgspec.json.decode(data_line.removeprefix(b"data: "))
        assert id_line == b"id: %d" % data["seq"]
        assert event_line == b"event: " + data["type"].encode()
        events.append(data)
    return events


async def filled(texts: list[str], max_bytes: int = 1_000_000) -> EventLog:
    log = EventLog("g", max_bytes)
    log.append("generation.created", {"message_id": "m"})
    for text in texts:
        log.append_text(text)
    log.append("generation.completed", {"finish_reason": "stop"})
    return log


async def follow_all(log: EventLog, seq: int) -> list[dict]:
    return events_of(b"".join([batch async for batch, _ in log.follow(seq, until=lambda: False)]))


@given(st.lists(st.text(max_size=20), max_size=20), st.integers(0, 25))
def test_resume_continues_at_the_next_event(texts: list[str], seq: int) -> None:
    async def check() -> None:
        log = await filled(texts)
        seen = min(seq, log.last_seq)
        everything = await follow_all(log, 0)
        assert [event["seq"] for event in everything] == list(range(1, log.last_seq + 1))
        assert await follow_all(log, seen) == everything[seen:]

    asyncio.run(check())


@pytest.mark.parametrize("length", [1, 5_000])
async def test_events_long_past_are_told_as_they_were(length: int) -> None:
    told = EventLog("g")
    told.append("generation.created", {"message_id": "m"})
    frames = [told.after(0)[0]]
    for number in range(300):
        told.append_text(f"\n\n{number}" * length)
        frames.append(told.after(told.last_seq - 1)[0])
    for seq in range(told.first_seq - 1, told.last_seq):
        batch, last = told.after(seq)
        assert batch == b"".join(frames[seq:last])


async def test_a_long_answer_told_word_by_word_holds_little_more_than_its_words() -> None:
    answer = EventLog("0198c0de-0000-7000-8000-00000000000a")
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(2_000):
            answer.append_text(f"word{number % 10} ")
        # As every checkpoint does.
        assert len(answer.text) == answer.text_length
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert held < answer.size / 3


@given(st.lists(st.text(min_size=1, max_size=50), min_size=1, max_size=30), st.integers(0, 32))
def test_thoughts_that_are_gone_are_in_the_snapshot_and_come_to_mirrors(thoughts: list[str], seq: int) -> None:
    async def check() -> None:
        log, mirror = EventLog("g", 300), EventLog("g")
        log.append("generation.created", {"message_id": "m"})
        for thought in thoughts:
            log.append_reasoning(thought)
        log.append_text("yes")
        events = await asyncio.wait_for(anext(log.follow(min(seq, log.last_seq - 1), until=lambda: False)), 5)
        seen = events_of(events[0])
        if seen[0]["type"] == "message.snapshot":
            told = seen[0].get("reasoning", "") + "".join(e["text"] for e in seen if e["type"] == "reasoning.delta")
            assert told == "".join(thoughts)
        mirror.take(log.after(0)[0])
        assert (mirror.reasoning, mirror.text) == ("".join(thoughts), "yes")

    asyncio.run(check())


@given(st.lists(st.text(min_size=1, max_size=50), min_size=1, max_size=30), st.integers(0, 32))
def test_a_reader_behind_the_bound_gets_a_snapshot_and_loses_no_text(texts: list[str], seq: int) -> None:
    async def check() -> None:
        log = await filled(texts, max_bytes=300)
        events = await follow_all(log, min(seq, log.last_seq))
        if events and events[0]["type"] == "message.snapshot":
            assert events[0]["text"] + "".join(e.get("text", "") for e in events[1:]) == "".join(texts)
            assert events[0]["message_id"] == "m"
            assert [e["seq"] for e in events] == list(range(events[0]["seq"], log.last_seq + 1))
        else:
            assert [e["seq"] for e in events] == list(range(min(seq, log.last_seq) + 1, log.last_seq + 1))
        assert log.text == "".join(texts)

    asyncio.run(check())


@pytest.mark.parametrize("text", ["\n\ndata: [DONE]\n\n", "\r", "\r\n\r\n", "\u2028\u2029", "\0", 'x"}\n\nevent: y'])
def test_content_forges_no_frame(text: str) -> None:
    frame = encode_frame(7, "message.delta", "g", {"text": text})
    assert b"\r" not in frame
    assert frame.count(b"\n") == 4
    assert events_of(frame) == [{"type": "message.delta", "seq": 7, "generation_id": "g", "text": text}]


async def test_a_late_reader_is_fed_in_pieces() -> None:
    log = await filled(["x" * 1000] * 500)
    batches = [batch async for batch, _ in log.follow(0, until=lambda: False)]
    assert max(len(batch) for batch in batches) < 70_000
    assert [event["seq"] for event in events_of(b"".join(batches))] == list(range(1, 503))


async def test_a_storm_of_late_readers_shares_one_snapshot() -> None:
    log = await filled(["x" * 1000] * 100, max_bytes=50_000)
    batch, _ = log.after(0)
    snapshot = log._snapshot
    assert snapshot is not None
    assert batch.startswith(snapshot)
    log.after(0)
    assert log._snapshot is snapshot


async def test_a_reader_that_takes_nothing_holds_no_event() -> None:
    log = EventLog("g", 20_000)
    slow = log.follow(0, until=lambda: False)
    log.append("generation.created")
    await anext(slow)
    for _ in range(1000):
        log.append_text("x" * 100)
    assert log.size <= 20_000
    (snapshot, *_) = events_of((await anext(slow))[0])
    assert snapshot["type"] == "message.snapshot"
    await slow.aclose()


async def test_nothing_follows_the_terminal_event() -> None:
    log = await filled(["a"])
    log.append("heartbeat")
    assert log.last_seq == 3
    assert (await follow_all(log, 0))[-1]["type"] == "generation.completed"


async def test_followers_see_events_as_they_come() -> None:
    log = EventLog("g")
    log.append("generation.created")
    batches = log.follow(0, until=lambda: False)
    assert events_of((await anext(batches))[0])[0]["type"] == "generation.created"
    waiting = asyncio.ensure_future(anext(batches))
    await asyncio.sleep(0)
    assert not waiting.done()
    log.append_text("hello")
    assert events_of((await waiting)[0])[0]["text"] == "hello"


async def test_a_follower_leaves_when_its_client_has_gone() -> None:
    log = EventLog("g")
    gone = False
    follower = asyncio.ensure_future(anext(log.follow(0, until=lambda: gone), None))
    await asyncio.sleep(0)
    gone = True
    log.wake()
    assert await follower is None
