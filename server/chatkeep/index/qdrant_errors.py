"""What goes wrong with a Qdrant server, in words for its operator."""

import contextlib
from collections.abc import Iterator

from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from chatkeep.index.port import IndexUnavailable


@contextlib.contextmanager
def told_to_operators() -> Iterator[None]:
    """Turn whatever the client raises into `IndexUnavailable`. The client's own words can hold addresses, and parts of
    what was asked.

    Raises:
        IndexUnavailable
    """
    try:
        yield
    except IndexUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - the client raises httpx's, pydantic's, gRPC's and its own
        raise IndexUnavailable(_reason(error)) from None


def _reason(error: Exception) -> str:
    if isinstance(error, ResourceExhaustedResponse):
        return "The Qdrant server is busy: it wants to be asked less often."
    if isinstance(error, UnexpectedResponse):
        return _reason_of_status(error.status_code or 0)
    if isinstance(error, ResponseHandlingException):
        # The class alone: ConnectError, ReadTimeout, ValidationError.
        return f"The Qdrant server at CHATKEEP_QDRANT_URL does not answer as it should ({type(error.source).__name__})."
    return f"The Qdrant client failed ({type(error).__name__})."


def _reason_of_status(status: int) -> str:
    if status in (401, 403):
        return f"The Qdrant server refuses CHATKEEP_QDRANT_API_KEY ({status})."
    if status == 404:
        return "The Qdrant server has lost the collection, or something else answers at CHATKEEP_QDRANT_URL (404)."
    return f"The Qdrant server answers {status}."
