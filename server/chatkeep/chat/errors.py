"""What the chat slice refuses, beside NotFound (404), which covers everything that is not there or not yours.

ChatkeepError
├─ GenerationRunning       409   the session is still being answered
├─ IdempotencyKeyReused    409   the key came before with another request
├─ ParentNotAnswerable     422   the parent is not a message of this session that can be continued
├─ NotAnswerable           422   there is no question that could be answered once more
├─ DocumentsClosed         403   an API key for chats alone is used for an answer from documents
├─ NoDocuments             422   documents are to be used, and there are none here, or the message leaves them out
├─ ImportInvalid           422   the file is none that chats could be read from
├─ UploadTooSlow           408   a file that is imported trickles in
├─ ImportsBusy             503   others' files are being imported, and go on being
├─ StorageFull             507   the user's chats are as large as imports may make them
├─ TooManyStreams          429   the user holds as many streams open as anybody may
├─ LogGone                 410   the events have expired: read the message
└─ Draining                503   the server is about to stop
"""

from typing import ClassVar

from chatkeep.errors import ChatkeepError


class GenerationRunning(ChatkeepError):
    """One running generation per session."""

    status = 409
    code = "generation_running"
    title = "An answer is still being written in this chat"

    def __init__(self) -> None:
        super().__init__("Wait for it to end, or stop it, and send your message again.")


class IdempotencyKeyReused(ChatkeepError):
    """The same key with another request."""

    status = 409
    code = "idempotency_key_reused"
    title = "This Idempotency-Key belongs to another request"

    def __init__(self) -> None:
        super().__init__("Use a fresh Idempotency-Key for each message, and the same one only to retry it unchanged.")


class ParentNotAnswerable(ChatkeepError):
    """`parent_id` names nothing in this session that a message can follow."""

    status = 422
    code = "parent_invalid"
    title = "The message cannot be continued from there"

    def __init__(self) -> None:
        super().__init__("parent_id must be a finished answer of the same chat session.")


class NotAnswerable(ChatkeepError):
    """Neither a question nor the answer to one."""

    status = 422
    code = "not_answerable"
    title = "There is no question to answer"

    def __init__(self) -> None:
        super().__init__("Only an answer to a message of yours, or that message itself, can be answered once more.")


class DocumentsClosed(ChatkeepError):
    """What may read chats need not be able to read documents through them."""

    status = 403
    code = "insufficient_scope"
    title = "This API key does not open documents"

    def __init__(self) -> None:
        super().__init__("An answer from documents needs an API key with the scope documents beside chat.")


class NoDocuments(ChatkeepError):
    """Documents cannot be drawn on, or the model that only quotes them was asked without."""

    status = 422
    code = "no_documents"
    title = "There are no documents to draw on"

    def __init__(self) -> None:
        super().__init__("Let the message use documents, where this server has them, or choose another model.")


class ImportInvalid(ChatkeepError):
    """Nothing in the file could be read."""

    status = 422
    code = "import_invalid"
    title = "The file cannot be imported"


class UploadTooSlow(ChatkeepError):
    """The file trickles in."""

    status = 408
    code = "upload_too_slow"
    title = "The file took too long to arrive"

    def __init__(self) -> None:
        super().__init__("Try again over a faster connection, or with a smaller file.")


class ImportsBusy(ChatkeepError):
    """All places are taken, for longer than anybody should wait."""

    status = 503
    code = "imports_busy"
    title = "Too many files are being imported"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "30"}

    def __init__(self) -> None:
        super().__init__("Yours has not been read. Try again in a minute.")


class StorageFull(ChatkeepError):
    """What there is stays, and grows by what is said; nothing more is imported."""

    status = 507
    code = "storage_full"
    title = "There is no room for more"

    def __init__(self, max_bytes: int) -> None:
        super().__init__(
            f"Your chats have grown to {max_bytes >> 20} MiB, beyond which none are imported. "
            "Delete some for good, in the bin too."
        )


class TooManyStreams(ChatkeepError):
    """One user holds as many streams open as anybody may."""

    status = 429
    code = "too_many_streams"
    title = "Too many open streams"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "5"}

    def __init__(self, limit: int) -> None:
        super().__init__(f"You have {limit} answers open at once. Close some tabs, and try again.")


class LogGone(ChatkeepError):
    """The generation's events are no longer held."""

    status = 410
    code = "log_gone"
    title = "These events have expired"

    def __init__(self) -> None:
        super().__init__("The events of this answer are no longer held here; read the message instead.")


class Draining(ChatkeepError):
    """The server is about to stop, and begins nothing new."""

    status = 503
    code = "draining"
    title = "The server is restarting"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "5"}

    def __init__(self) -> None:
        super().__init__("Nothing was sent. Try again in a few seconds.")
