"""The ChatModel of every endpoint that speaks OpenAI's chat completions: hosted ones, Ollama, vLLM, llama.cpp, ..."""

import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

from chatkeep.llm.base_url import BaseUrl, parse_base_url
from chatkeep.llm.forwarding import ForwardedAnswer
from chatkeep.llm.http_response import Bounds, HttpStreamError, Response
from chatkeep.llm.http_stream import StreamingClient
from chatkeep.llm.model import (
    Chunk,
    ModelError,
    ModelGarbage,
    ModelInfo,
    ModelRefused,
    ModelStreamBroken,
    PromptMessage,
)
from chatkeep.llm.openai_answer import AnswerDecoder
from chatkeep.llm.openai_errors import from_status, from_transport
from chatkeep.llm.openai_frames import decode_model_ids, encode_request, error_codes_in_body, param_in_body
from chatkeep.llm.raw_request import RawRequest

_log = logging.getLogger(__name__)

_MOST_BODY_BYTES = 8 << 20
_MOST_ERROR_BYTES = 64 << 10
# Between the finish reason and the end of the stream only the usage may come. An endpoint that sends neither an end
# nor anything else must not hold a finished answer back for the whole idle time.
IDLE_AFTER_FINISH = 5.0
# An answer that comes as one is silent for as long as it takes to write it. This is the official clients' own patience.
_FIRST_BYTE_OF_WHOLE_ANSWER = 600.0

_COMPRESSED = "The model endpoint sent a compressed answer, although none was asked for."
_WEB_PAGE = "The model endpoint answered with a web page; CHATKEEP_LLM_BASE_URL, or base_url, usually ends in /v1."
_NOT_WHAT_WAS_ASKED_FOR = "The model endpoint answered in another format than it was asked for."


class OpenAIChatModel:
    """Talks to one endpoint.

    `models` names what to offer, the default first; empty asks the endpoint. `options` go into every request by their
    API names (such as `max_tokens`). The key is sent to the endpoint and shows up nowhere else.

    Raises:
        ValueError: the base URL or the key cannot be used; the text says why, without the key.
    """

    def __init__(
        self,
        base_url: str | BaseUrl,
        api_key: str | None = None,
        models: Sequence[str] = (),
        *,
        options: Mapping[str, object] | None = None,
        bounds: Bounds | None = None,
        max_answer_characters: int = 1_000_000,
    ) -> None:
        self._base_url = parse_base_url(base_url) if isinstance(base_url, str) else base_url
        if api_key and not self._base_url.tls and not self._base_url.is_nearby:
            _log.warning("CHATKEEP_LLM_BASE_URL is http://: the key and all conversations travel unencrypted")
        self._models = tuple(models)
        self._options = dict(options or {})
        self._max_answer_characters = max_answer_characters
        self._bounds = bounds or Bounds()
        self._client = StreamingClient(self._base_url, bounds=self._bounds)
        self._get_headers = {"User-Agent": "chatkeep", "Accept": "application/json"} | _authorization(api_key)
        self._post_headers = self._get_headers | {"Content-Type": "application/json"}
        self._stream_headers = self._post_headers | {"Accept": "text/event-stream"}
        # Some older endpoints refuse the request for it; the first such refusal ends the asking.
        self._include_usage = True

    @property
    def open_connections(self) -> int:
        """Connections to the endpoint that exist now, idle ones among them."""
        return self._client.open_connections

    async def list_models(self) -> list[ModelInfo]:
        """The configured models, or what the endpoint lists; it is asked each time."""
        return [ModelInfo(model) for model in self._models or await self.ask_for_models()]

    async def ask_for_models(self) -> list[str]:
        """What the endpoint itself lists.

        Raises:
            ModelError: it could not be asked.
        """
        response = await self._request("GET", "/models", self._get_headers)
        body = await self._body(response, _MOST_BODY_BYTES)
        if response.status != 200:
            raise self._refused(response, body)
        return decode_model_ids(body)

    async def stream(
        self, model: str, messages: Sequence[PromptMessage], options: Mapping[str, object] | None = None
    ) -> AsyncGenerator[Chunk, None]:
        """Answer `messages`; see the port. Closing the iterator closes the connection, which stops the model.

        `options` are this request's own, before those of all.
        """
        options = {**self._options, **(options or {})}

        def encode(include_usage: bool) -> bytes:
            return encode_request(model, messages, include_usage=include_usage, options=options)

        response = await self._post(encode, self._stream_headers)
        decoder = AnswerDecoder(max_characters=self._max_answer_characters)
        try:
            if response.headers.get(b"content-encoding", b"identity") != b"identity":
                raise ModelGarbage(_COMPRESSED)
            if response.headers.get(b"content-type", b"").startswith((b"application/json", b"text/html")):
                yield await self._whole_answer(response)
                return
            while not decoder.done and (data := await self._read(response, decoder)):
                chunk = decoder.feed(data)
                if chunk is not None:
                    yield chunk
                    # The first words are waited for; whoever reads them does not see the next come two by two.
                    response.gathers = True
                if decoder.error is not None:
                    raise decoder.error
                if decoder.finished:
                    response.idle = min(response.idle, IDLE_AFTER_FINISH)
            if not (decoder.done or decoder.finished):
                raise ModelStreamBroken("The model endpoint ended the answer without saying that it is finished.")
            response.close_after_end()
        finally:
            response.close()

    async def forward(self, model: str, request: RawRequest) -> ForwardedAnswer:
        """Send `request` as it is, for `model`; see `ForwardingModel`. What comes is a stream if that was asked for."""

        def encode(include_usage: bool) -> bytes:
            return request.encode(model, include_usage=include_usage)

        if request.stream:
            response = await self._post(encode, self._stream_headers)
        else:
            patience = max(self._bounds.first_byte, _FIRST_BYTE_OF_WHOLE_ANSWER)
            response = await self._post(encode, self._post_headers, patience)
        try:
            if response.headers.get(b"content-encoding", b"identity") != b"identity":
                raise ModelGarbage(_COMPRESSED)
            kind = response.headers.get(b"content-type", b"")
            if not kind.startswith(b"text/event-stream" if request.stream else b"application/json"):
                raise ModelGarbage(_WEB_PAGE if kind.startswith(b"text/html") else _NOT_WHAT_WAS_ASKED_FOR)
            answer = ForwardedAnswer(response, await response.read())
        except HttpStreamError as error:
            response.close()
            raise from_transport(error, answering=True) from error
        except BaseException:  # cancellation too must close the connection, or the peer works on for nobody
            response.close()
            raise
        return answer

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _post(
        self, encode: Callable[[bool], bytes], headers: Mapping[str, str], first_byte: float | None = None
    ) -> Response:
        """Send what `encode` makes, which is told whether to ask for the usage; the response's status is 200."""
        while True:
            asked_for_usage = self._include_usage
            body = encode(asked_for_usage)
            response = await self._request("POST", "/chat/completions", headers, body, first_byte)
            if response.status == 200:
                return response
            refusal = await self._body(response, _MOST_ERROR_BYTES)
            if response.status in {400, 422} and asked_for_usage and b"stream_options" in refusal:
                self._include_usage = False
                continue
            raise self._refused(response, refusal)

    async def _request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", first_byte: float | None = None
    ) -> Response:
        try:
            return await self._client.request(method, path, headers, body, first_byte=first_byte)
        except HttpStreamError as error:
            raise from_transport(error, answering=False) from error

    async def _read(self, response: Response, decoder: AnswerDecoder) -> bytes:
        try:
            return await response.read()
        except HttpStreamError as error:
            if decoder.finished:
                return b""
            raise from_transport(error, answering=True) from error

    async def _body(self, response: Response, most: int) -> bytes:
        """The whole body, cut at `most` bytes; closes the response."""
        pieces: list[bytes] = []
        size = 0
        try:
            while size < most and (data := await response.read()):
                pieces.append(data)
                size += len(data)
        except HttpStreamError as error:
            raise from_transport(error, answering=True) from error
        finally:
            response.close()
        return b"".join(pieces)[:most]

    async def _whole_answer(self, response: Response) -> Chunk:
        """An endpoint that does not stream answers with one JSON document; a web page means a wrong address."""
        if response.headers[b"content-type"].startswith(b"text/html"):
            raise ModelGarbage(_WEB_PAGE)
        decoder = AnswerDecoder(max_characters=self._max_answer_characters, max_event_bytes=_MOST_BODY_BYTES + 16)
        body = await self._body(response, _MOST_BODY_BYTES)
        chunk = decoder.feed(b"data: " + body.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n\n")
        if decoder.error is not None:
            raise decoder.error
        if chunk is None:
            raise ModelGarbage("The model endpoint sent an empty answer.")
        return chunk

    def _refused(self, response: Response, body: bytes) -> ModelError:
        error = from_status(response.status, error_codes_in_body(body), response.headers)
        if isinstance(error, ModelRefused):
            error.param = param_in_body(body)
        _log.warning("the model endpoint answered with status %d (%s)", response.status, error.code)
        return error


def _authorization(api_key: str | None) -> dict[str, str]:
    if not api_key:
        return {}
    if not (api_key.isascii() and api_key.isprintable()) or " " in api_key:
        raise ValueError(
            "cannot be asked: CHATKEEP_LLM_API_KEY contains a space, a line end or another stray character"
        )
    return {"Authorization": f"Bearer {api_key}"}
