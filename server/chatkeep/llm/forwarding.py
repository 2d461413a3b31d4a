"""Asking an endpoint in its own words: the request's bytes go out, the answer's come back."""

from typing import Protocol, runtime_checkable

from chatkeep.llm.http_response import HttpStreamError, Response
from chatkeep.llm.model import ModelGarbage
from chatkeep.llm.openai_errors import from_transport
from chatkeep.llm.raw_request import RawRequest


class ForwardedAnswer:
    """The body of an endpoint's answer of status 200. `close` it in any case, which stops a model that still runs.

    Args:
        response: whose header has come.
        first: the first read of its body, which is made before anybody is told of the answer: what fails until then
            can still be asked elsewhere.
        provider: where it comes from.
    """

    def __init__(self, response: Response, first: bytes, provider: str | None = None) -> None:
        self._response = response
        self._first = first
        self.provider = provider

    async def read(self) -> bytes:
        """What has come since the last call; nothing at the end.

        Raises:
            ModelError: it broke off.
        """
        if self._first:
            first, self._first = self._first, b""
            return first
        try:
            return await self._response.read()
        except HttpStreamError as error:
            raise from_transport(error, answering=True) from error

    async def read_all(self, most: int) -> bytes:
        """All of it.

        Raises:
            ModelError: it broke off, or is larger than `most` bytes.
        """
        pieces: list[bytes] = []
        size = 0
        while data := await self.read():
            pieces.append(data)
            size += len(data)
            if size > most:
                raise ModelGarbage("The model endpoint sent more than an answer may hold.")
        return b"".join(pieces)

    def finish_soon(self, seconds: float) -> None:
        """The answer is whole; only its end is still due."""
        self._response.idle = min(self._response.idle, seconds)

    def close_after_end(self) -> None:
        """Like `close`, once the end has been announced: the connection may serve again."""
        self._response.close_after_end()

    def close(self) -> None:
        """Let go of it."""
        self._response.close()


@runtime_checkable
class ForwardingModel(Protocol):
    """A ChatModel with endpoints behind it: `openai.OpenAIChatModel`, `providers.ProvidersChatModel`."""

    async def forward(self, model: str, request: RawRequest) -> ForwardedAnswer:
        """Send `request` to where `model` is.

        Raises:
            ModelError: it was refused, or nothing came.
        """
        ...
