"""From the bytes of a streamed answer to `Chunk`s, free of any I/O."""

from chatkeep.llm.model import Chunk, ModelError, ModelGarbage, Usage
from chatkeep.llm.openai_errors import from_codes
from chatkeep.llm.openai_frames import (
    DONE,
    Frame,
    decode_frame,
    error_codes_in_frame,
    reasoning_of,
    storable,
    text_of,
    usage_of,
)
from chatkeep.llm.sse import SseEventTooLarge, SseParser


class AnswerDecoder:
    """Turns each read into at most one chunk.

    `finished`: a finish reason came, so the answer is whole even if the connection breaks now. `done`: nothing more
    will come. `error`: the answer fails after the chunk just returned; what came before it is not lost.
    """

    __slots__ = ("_characters", "_max_characters", "_parser", "done", "error", "finished")

    def __init__(self, *, max_characters: int, max_event_bytes: int = 1 << 20) -> None:
        self._parser = SseParser(max_event_bytes)
        self._max_characters = max_characters
        self._characters = 0
        self.finished = False
        self.done = False
        self.error: ModelError | None = None

    def feed(self, data: bytes) -> Chunk | None:
        """The chunk that `data` makes; None when it holds nothing to tell, such as a comment or half a frame."""
        try:
            events = self._parser.feed(data)
        except SseEventTooLarge:
            self.error = ModelGarbage("The model endpoint sent a single piece larger than any answer's.")
            return None
        texts: list[str] = []
        thoughts: list[str] = []
        finish_reason: str | None = None
        usage: Usage | None = None
        try:
            for event in events:
                if event == DONE:
                    self.done = True
                    break
                frame = decode_frame(event)
                texts.append(text_of(frame))
                if thought := reasoning_of(frame):
                    thoughts.append(thought)
                finish_reason = _finish_reason(frame) or finish_reason
                usage = usage_of(frame) or usage
                if (codes := error_codes_in_frame(frame)) is not None:
                    self.error = from_codes(codes)
                    break
        except ModelGarbage as error:
            self.error = error
        self.finished = self.finished or finish_reason is not None
        reasoning = self._bounded(storable("".join(thoughts))) if thoughts else ""
        text = self._bounded(storable("".join(texts)))
        return Chunk(text, finish_reason, usage, reasoning) if text or reasoning or finish_reason or usage else None

    def _bounded(self, text: str) -> str:
        room = self._max_characters - self._characters
        self._characters += len(text)
        if len(text) <= room:
            return text
        self.error = ModelGarbage("The answer is longer than an answer may be.")
        return text[: max(room, 0)]


def _finish_reason(frame: Frame) -> str | None:
    """Providers invent reasons of their own; an absurdly long one is cut, not refused."""
    if not frame.choices or frame.choices[0].index:
        return None
    reason = frame.choices[0].finish_reason
    return storable(reason)[:64] if reason else None
