"""What a failed exchange with a model endpoint means to the person who waits for the answer.

A provider's own text is never shown: it may quote the key, the prompt or an address. Its machine-readable code is
matched against the known ones, and the sentence is ours.
"""

import re
from collections.abc import Mapping

from chatkeep.llm.http_response import (
    ConnectFailed,
    ConnectFailure,
    ConnectionBroken,
    HttpStreamError,
    ResponseTimeout,
    ResponseTooLarge,
)
from chatkeep.llm.model import (
    ModelError,
    ModelGarbage,
    ModelPromptTooLong,
    ModelRateLimited,
    ModelRefused,
    ModelStreamBroken,
    ModelTimeout,
    ModelUnavailable,
)

_CONNECT: Mapping[ConnectFailure, str] = {
    "refused": "Nothing listens at the model endpoint's address. Is the model server running?",
    "unknown host": "The model endpoint's host name is not known. Is CHATKEEP_LLM_BASE_URL right?",
    "tls": "No secure connection to the model endpoint: its certificate could not be verified.",
    "unreachable": "The model endpoint cannot be reached over the network.",
    "timeout": "The model endpoint took too long to accept a connection.",
    "forbidden address": "The model endpoint's name leads to an address where no model can be (link-local).",
    "too many": "Too many answers are being written at the moment. Try again shortly.",
}


def from_transport(error: HttpStreamError, *, answering: bool) -> ModelError:
    """Translate a failure below HTTP. `answering`: the response had begun."""
    if isinstance(error, ConnectFailed):
        return (ModelTimeout if error.reason == "timeout" else ModelUnavailable)(_CONNECT[error.reason])
    if isinstance(error, ConnectionBroken) and answering:
        return ModelStreamBroken("The model endpoint broke off in the middle of the answer.")
    if isinstance(error, ConnectionBroken):
        return ModelUnavailable("The model endpoint closed the connection without an answer.")
    if isinstance(error, ResponseTimeout):
        return ModelTimeout("The model endpoint was silent for too long.")
    if isinstance(error, ResponseTooLarge):
        return ModelGarbage("The model endpoint sent more than an answer may hold.")
    return ModelGarbage("What answers at the model endpoint's address does not speak HTTP.")


def from_status(status: int, codes: frozenset[str], headers: Mapping[bytes, bytes]) -> ModelError:
    """Translate a response whose status is not 200."""
    error = _of_status(status, codes, headers)
    if isinstance(error, ModelRefused):
        error.status = status
        error.reason = next(iter(sorted(codes)), None)
    return error


def _of_status(status: int, codes: frozenset[str], headers: Mapping[bytes, bytes]) -> ModelError:
    if status == 429 and not codes & _NO_CREDIT:
        return ModelRateLimited(_RATE_LIMIT_REACHED, _retry_after(headers))
    if (known := _from_codes(codes)) is not None:
        return known
    if status >= 500:
        return ModelUnavailable(f"The model endpoint is failing at the moment (status {status}). Try again shortly.")
    return ModelRefused(_REFUSALS.get(status, f"The model endpoint refused the request (status {status})."))


def from_codes(codes: frozenset[str]) -> ModelError:
    """Translate an error object that came inside a stream, after status 200."""
    known = _from_codes(codes)
    return known or ModelUnavailable("The model endpoint reported an error in the middle of the answer.")


_RATE_LIMIT_REACHED = "The model provider's rate limit is reached. Try again shortly."
_KEY_REFUSED = (
    "The model endpoint refused chatkeep's key. The administrator can set it in CHATKEEP_LLM_API_KEY, or the "
    "provider's api_key."
)
_REDIRECTED = "The model endpoint redirects elsewhere. Its final address belongs into CHATKEEP_LLM_BASE_URL."
_REFUSALS: Mapping[int, str] = {
    301: _REDIRECTED,
    302: _REDIRECTED,
    303: _REDIRECTED,
    307: _REDIRECTED,
    308: _REDIRECTED,
    400: "The model endpoint did not accept the request.",
    401: _KEY_REFUSED,
    402: "The model provider's account has no credit left.",
    403: "The model endpoint's key may not use this model.",
    404: "The model endpoint does not know this model, or CHATKEEP_LLM_BASE_URL is wrong (it usually ends in /v1).",
    405: "CHATKEEP_LLM_BASE_URL does not lead to an OpenAI-compatible endpoint (it usually ends in /v1).",
    413: "The conversation is too large for the model endpoint.",
}


_NO_CREDIT = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_KNOWN_CODES: tuple[tuple[frozenset[str], type[ModelError], str], ...] = (
    (
        frozenset({"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"}),
        ModelPromptTooLong,
        "The conversation is too long for this model. Begin a new chat, or shorten it.",
    ),
    (_NO_CREDIT, ModelRefused, _REFUSALS[402]),
    (
        frozenset({"model_not_found", "unknown_model", "model_not_available"}),
        ModelRefused,
        "The model endpoint does not know this model.",
    ),
    (
        frozenset({"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"}),
        ModelRefused,
        "The model provider's content filter refused the conversation.",
    ),
    (frozenset({"invalid_api_key", "authentication_error", "401"}), ModelRefused, _KEY_REFUSED),
    (frozenset({"rate_limit_exceeded", "rate_limit_error", "429"}), ModelRateLimited, _RATE_LIMIT_REACHED),
)


def _from_codes(codes: frozenset[str]) -> ModelError | None:
    return next((kind(message) for known, kind, message in _KNOWN_CODES if known & codes), None)


def _retry_after(headers: Mapping[bytes, bytes]) -> float | None:
    """Delay in seconds (RFC 9110, section 10.2.3); the form with a date is rare here and not read."""
    value = headers.get(b"retry-after", b"")
    return min(float(value), 86_400.0) if re.fullmatch(rb"[0-9]{1,6}(\.[0-9]{1,3})?", value) else None
