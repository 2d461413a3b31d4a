"""An endpoint's answer passed on: its JSON stays as it came, and is looked at no further than the accounting needs."""

import asyncio
from collections.abc import AsyncGenerator

import msgspec

from chatkeep.completions.tally import Tally
from chatkeep.llm.forwarding import ForwardedAnswer
from chatkeep.llm.model import ModelError, ModelGarbage, ModelStreamBroken
from chatkeep.llm.openai_errors import from_codes
from chatkeep.llm.openai_frames import DONE, Frame, error_codes_in_frame, mended, usage_of
from chatkeep.llm.sse import SseEventTooLarge, SseParser

# Pictures and sounds come in frames, and in whole answers, as text.
_MOST_FRAME_BYTES = 8 << 20
_MOST_ANSWER_BYTES = 32 << 20
_MOST_PRODUCED = 8_000_000
_IDLE_AFTER_FINISH = 5.0
_NOTHING = len('{"content":""}')
_SILENCE_SECONDS = 10.0
_KEEP_ALIVE = b": still waiting\n\n"
_END = b"data: [DONE]\n\n"
_NULL = b"null"


class _Choice(msgspec.Struct):
    delta: msgspec.Raw = msgspec.Raw(b"")
    message: msgspec.Raw = msgspec.Raw(b"")
    finish_reason: msgspec.Raw = msgspec.Raw(_NULL)


class _Seen(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = msgspec.Raw(_NULL)
    error: msgspec.Raw = msgspec.Raw(_NULL)


_decode = msgspec.json.Decoder(_Seen).decode


class RelayedFrames:
    """From the bytes of a streamed answer to the bytes that the client gets, free of any I/O.

    `done`: nothing more will come. `error`: the answer fails behind what was just passed on. `finished`: every one of
    the `choices` has said why it ended. A frame of the usage alone is passed on if `show_usage`: else it was the
    server that wished for it.
    """

    def __init__(self, tally: Tally, *, show_usage: bool, choices: int = 1) -> None:
        self._parser = SseParser(_MOST_FRAME_BYTES)
        self._tally = tally
        self._show_usage = show_usage
        self._unfinished = choices
        self.done = False
        self.error: ModelError | None = None

    @property
    def finished(self) -> bool:
        return self._unfinished <= 0

    def feed(self, data: bytes) -> bytes:
        """What to pass on of `data`: whole frames, so that it can end after any of them."""
        passed: list[bytes] = []
        try:
            for event in self._parser.feed(data):
                if event == DONE:
                    self.done = True
                    break
                frame, seen = _read(event)
                if self._look_at(seen):
                    passed.append(_as_frame(frame))
        except SseEventTooLarge:
            self.error = ModelGarbage("The model endpoint sent a single piece larger than any answer's.")
        except ModelError as error:
            self.error = error
        return b"".join(passed)

    def _look_at(self, seen: _Seen) -> bool:
        """Whether the client is to see it."""
        choices = seen.choices or ()
        for choice in choices:
            self._tally.produced += max(0, len(bytes(choice.delta)) - _NOTHING)
            if bytes(choice.finish_reason) != _NULL:
                self._unfinished -= 1
        if self._tally.produced > _MOST_PRODUCED:
            raise ModelGarbage("The answer is longer than an answer may be.")
        if bytes(seen.usage) == _NULL:
            return True
        self._tally.usage = usage_of(Frame(usage=seen.usage)) or self._tally.usage
        return self._show_usage or bool(choices)


class RelayedStream:
    """A streamed answer, frame by frame."""

    def __init__(self, answer: ForwardedAnswer, *, show_usage: bool, choices: int) -> None:
        self.tally = Tally(provider=answer.provider)
        self._answer = answer
        self._frames = RelayedFrames(self.tally, show_usage=show_usage, choices=choices)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The frames of each read together.

        Raises:
            ModelError: the answer fails here.
        """
        frames, answer, now = self._frames, self._answer, asyncio.get_running_loop().time
        passed_at = now()
        while not frames.done and (data := await self._read()):
            passed = frames.feed(data)
            # Comments are how endpoints say that they are still there; ours goes on in their place, now and then.
            if passed or now() - passed_at > _SILENCE_SECONDS:
                passed_at = now()
                yield passed or _KEEP_ALIVE
            if frames.error is not None:
                raise frames.error
            if frames.finished:
                answer.finish_soon(_IDLE_AFTER_FINISH)
        if not (frames.done or frames.finished):
            raise ModelStreamBroken("The model endpoint ended the answer without saying that it is finished.")
        yield _END
        answer.close_after_end()

    async def aclose(self) -> None:
        """Let go of the connection, which stops the model where it still runs."""
        self._answer.close()

    async def _read(self) -> bytes:
        try:
            return await self._answer.read()
        except ModelError:
            if self._frames.finished:
                return b""
            raise


class RelayedDocument:
    """An answer that came as one."""

    def __init__(self, answer: ForwardedAnswer) -> None:
        self.tally = Tally(provider=answer.provider)
        self._answer = answer

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The one piece that there is.

        Raises:
            ModelError: it is none, or broke off.
        """
        body, seen = _read(await self._answer.read_all(_MOST_ANSWER_BYTES))
        if not seen.choices:
            raise ModelGarbage("The model endpoint sent something that is not an answer.")
        self.tally.produced = sum(len(bytes(choice.message)) for choice in seen.choices)
        self.tally.usage = usage_of(Frame(usage=seen.usage))
        yield body

    async def aclose(self) -> None:
        """Let go of the connection, which stops the model where it still runs."""
        self._answer.close()


def _read(data: bytes) -> tuple[bytes, _Seen]:
    """What has to be known of it, and `data` itself: as it came, but for what would break the clients' parsers.

    Raises:
        ModelError: it is no part of an answer, or it is an error, whose words are not passed on: they may quote the key
            or the address of the endpoint.
    """
    try:
        seen = _decode_strictly(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        data = mended(data)
        try:
            seen = _decode(data)
        except msgspec.DecodeError:
            raise ModelGarbage("The model endpoint sent something that is not part of an answer.") from None
    if (codes := error_codes_in_frame(Frame(error=seen.error))) is not None:
        raise from_codes(codes)
    return data, seen


def _decode_strictly(data: bytes) -> _Seen:
    if not data.isascii():
        data.decode("utf-8")
    return _decode(data)


def _as_frame(event: bytes) -> bytes:
    # A frame of several lines, which JSON allows between its tokens, stays one.
    return b"data: %b\n\n" % (event.replace(b"\n", b"\ndata: ") if b"\n" in event else event)
