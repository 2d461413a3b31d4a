"""What the slice refuses, beside NotFound (404), which covers everything that is not there or not yours.

ChatkeepError
├─ ReadOnly                403   a member who only reads wants to write
├─ NotTheOwner             403   a member wants what only the collection's owner may do
├─ MembersFull             409   the collection has as many members as one may have
├─ CollectionsFull         409   the user has as many collections as one may have
├─ UploadTooSlow           408   a file trickles in
├─ UploadTooLarge          413   a file is larger than one may be
├─ UploadInvalid           422   the body is no form with a file in it
├─ NotRetryable            409   the document has not failed
├─ UnknownCollection       422   a collection that is to be searched is not there, or not open to the user
├─ SearchUnavailable       503   the index does not answer
├─ TooManyUploads          503   others' files are arriving, and go on doing so
├─ TooManyFollowers        429   the user holds as many streams open as anybody may
├─ DocumentsDraining       503   the server is about to stop
└─ DocumentsFull           507   the user's documents take as much room as they may, or the disk is full
"""

from typing import ClassVar

from chatkeep.errors import ChatkeepError


class ReadOnly(ChatkeepError):
    status = 403
    code = "read_only"
    title = "You may only read this collection"

    def __init__(self) -> None:
        super().__init__("Its owner can make you an editor.")


class NotTheOwner(ChatkeepError):
    status = 403
    code = "not_the_owner"
    title = "Only the collection's owner may do this"

    def __init__(self) -> None:
        super().__init__("Ask the owner of the collection.")


class MembersFull(ChatkeepError):
    status = 409
    code = "members_full"
    title = "The collection has too many members"

    def __init__(self, most: int) -> None:
        super().__init__(f"It is shared with {most} people, and may not be with more. Share it with everyone instead.")


class CollectionsFull(ChatkeepError):
    status = 409
    code = "collections_full"
    title = "You have too many collections"

    def __init__(self, most: int) -> None:
        super().__init__(f"You have {most}, and may not have more. Delete some that you need no longer.")


class UploadTooSlow(ChatkeepError):
    status = 408
    code = "upload_too_slow"
    title = "The file took too long to arrive"

    def __init__(self) -> None:
        super().__init__("Try again over a faster connection, or with a smaller file.")


class UploadTooLarge(ChatkeepError):
    status = 413
    code = "upload_too_large"
    title = "The file is too large"

    def __init__(self, most_bytes: int) -> None:
        super().__init__(f"A file may have {most_bytes >> 20} MiB. Split it into smaller ones.")


class UploadInvalid(ChatkeepError):
    status = 422
    code = "upload_invalid"
    title = "There is no file in the request"


class NotRetryable(ChatkeepError):
    status = 409
    code = "not_retryable"
    title = "The document has not failed"

    def __init__(self) -> None:
        super().__init__("It is ready, or on its way.")


class UnknownCollection(ChatkeepError):
    status = 422
    code = "unknown_collection"
    title = "There is no such collection"

    def __init__(self) -> None:
        super().__init__("One of the collections is not there, or not open to you any more. Nothing was searched.")


class SearchUnavailable(ChatkeepError):
    status = 503
    code = "index_unavailable"
    title = "Documents cannot be searched at the moment"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "5"}

    def __init__(self) -> None:
        super().__init__("The index does not answer. Try again in a moment, or go on without documents.")


class TooManyUploads(ChatkeepError):
    status = 503
    code = "too_many_uploads"
    title = "Too many files are arriving"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "30"}

    def __init__(self) -> None:
        super().__init__("Yours has not been read. Try again in a minute.")


class TooManyFollowers(ChatkeepError):
    status = 429
    code = "too_many_streams"
    title = "Too many open streams"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "5"}

    def __init__(self, most: int) -> None:
        super().__init__(f"You follow {most} documents at once. Close some tabs, and try again.")


class DocumentsDraining(ChatkeepError):
    status = 503
    code = "draining"
    title = "The server is restarting"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "5"}

    def __init__(self) -> None:
        super().__init__("Nothing was stored. Try again in a few seconds.")


class DocumentsFull(ChatkeepError):
    status = 507
    code = "storage_full"
    title = "There is no room for more"
