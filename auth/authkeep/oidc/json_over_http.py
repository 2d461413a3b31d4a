"""The one door to a provider: JSON over HTTPS, in bounded time and memory, and nowhere else than asked.

Redirects are not followed, proxies and netrc are not read from the environment, and nothing is decompressed: a provider
that behaves needs none of it, and one that does not must not get further than its own answer.
"""

import asyncio
import contextlib
import json
import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from authkeep.oidc.errors import ProviderTimeout, ProviderUnavailable
from authkeep.strict_json import StrictDecoder

if TYPE_CHECKING:
    import httpx

_log = logging.getLogger("authkeep.oidc")
_SECONDS = 8.0
_MAX_BYTES = 256 * 1024
_MAX_CONNECTIONS = 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider said: a status, and the members of a JSON object."""

    status: int
    members: Mapping[str, Any] = field(repr=False)


class JsonOverHttp:
    """Open while `running()` is.

    Args:
        seconds: how long one question may take, however slowly its answer drips.
    """

    def __init__(self, *, seconds: float = _SECONDS) -> None:
        self._seconds = seconds
        self._client: httpx.AsyncClient | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the connections for as long as this lasts."""
        import httpx  # noqa: PLC0415 - an optional extra, which nobody without a provider needs

        limits = httpx.Limits(max_connections=_MAX_CONNECTIONS)
        # The machine's own authorities: a provider of the intranet has its certificate from one of those.
        tls = ssl.create_default_context()
        async with httpx.AsyncClient(trust_env=False, verify=tls, limits=limits, timeout=self._seconds) as client:
            self._client = client
            try:
                yield
            finally:
                self._client = None

    async def get(self, url: str, *, bearer: str | None = None) -> Mapping[str, Any]:
        """The JSON object at `url`.

        Raises:
            ProviderTimeout: it did not answer in time.
            ProviderUnavailable: it answered with something else.
        """
        headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
        answer = await self._ask("GET", url, headers=headers)
        if answer.status != 200:
            raise unusable(url, f"status {answer.status}")
        return answer.members

    async def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """The answer to a form, when it is JSON, whatever its status.

        Raises:
            ProviderTimeout: it did not answer in time.
            ProviderUnavailable: it answered with something else.
        """
        return await self._ask("POST", url, data=dict(form), headers=headers)

    async def _ask(self, method: str, url: str, *, headers: Mapping[str, str], **content: Any) -> Answer:
        import httpx  # noqa: PLC0415

        if self._client is None:
            raise RuntimeError("enter auth.running() in the application's lifespan first")
        asked = {"Accept": "application/json", "Accept-Encoding": "identity", **headers}
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._client.stream(method, url, headers=asked, follow_redirects=False, **content) as response,
            ):
                return Answer(response.status_code, _object_in(url, await _body_of(url, response)))
        except (TimeoutError, httpx.TimeoutException):
            _log.warning("The provider did not answer in time: %s", url)
            raise ProviderTimeout from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError) as error:
            raise unusable(url, type(error).__name__) from None


async def _body_of(url: str, response: "httpx.Response") -> bytes:
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in ("application/json", "application/jwk-set+json"):
        raise unusable(url, f"status {response.status_code}, and no JSON")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise unusable(url, "compressed unasked")
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > _MAX_BYTES:
            raise unusable(url, f"more than {_MAX_BYTES} bytes")
    return bytes(body)


def _object_in(url: str, body: bytes) -> Mapping[str, Any]:
    try:
        members = json.loads(body.decode(), cls=StrictDecoder)
    except (ValueError, RecursionError):
        raise unusable(url, "no JSON") from None
    if not isinstance(members, dict):
        raise unusable(url, "no JSON object")
    return members


def unusable(where: str, why: str) -> ProviderUnavailable:
    """The error to raise; the reason is for the operator's log alone."""
    _log.warning("The provider's answer is of no use: %s: %s", where, why)
    return ProviderUnavailable()
