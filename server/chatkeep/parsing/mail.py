"""E-mails (RFC 5322): who wrote to whom, when and what. Attachments are named and not opened."""

import email.message
import email.parser
import email.policy
from collections.abc import Iterator
from email.errors import MessageError
from email.header import decode_header, make_header
from typing import BinaryIO, TypeAlias

from chatkeep.parsing.decoding import decoded
from chatkeep.parsing.html_text import add_html
from chatkeep.parsing.limits import Limits
from chatkeep.parsing.plain_text import add_paragraphs
from chatkeep.parsing.refusals import damaged, too_large
from chatkeep.parsing.transcript import Transcript, one_line

_FIELDS = ("From", "To", "Cc", "Date", "Subject")
_LONGEST_FIELD = 2000
_MOST_PARTS = 1000
_MOST_NAMED = 50
_NOT_ASCII = "surrogateescape"

_Message: TypeAlias = "email.message.Message[str, str]"


def read_mail(file: BinaryIO, transcript: Transcript, limits: Limits) -> None:
    """The whole of the file into the transcript.

    Raises:
        Unreadable
    """
    file.seek(0)
    data = file.read(limits.file_bytes + 1)
    if len(data) > limits.file_bytes:
        raise too_large("It is a larger message")
    try:
        message = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(data)
    except (MessageError, ValueError, RecursionError) as error:
        raise damaged() from error
    _Mail(transcript, limits).add(message)


class _Mail:
    def __init__(self, transcript: Transcript, limits: Limits) -> None:
        self._transcript = transcript
        self._limits = limits

    def add(self, message: _Message) -> None:
        self._transcript.title = _field(message, "Subject")
        fields = [(name, _field(message, name)) for name in _FIELDS]
        self._transcript.add("\n".join(f"{name}: {value}" for name, value in fields if value))
        parts = list(_parts(message))
        attached = [_name_of(part) for part in parts if _is_attached(part)]
        texts = [part for part in parts if not _is_attached(part)]
        # Of two forms of the same text the plain one is enough, unless it was left empty.
        plain = [part for part in texts if part.get_content_type() == "text/plain" and str(part.get_payload()).strip()]
        for part in plain or texts:
            self._add_text(part)
        if attached:
            self._transcript.add(f"Attachments: {', '.join(attached[:_MOST_NAMED])}")
            self._transcript.notice("Attachments were not read. Upload them on their own.")

    def _add_text(self, part: _Message) -> None:
        payload = part.get_payload(decode=True)
        data = payload if isinstance(payload, bytes) else b""
        if part.get_content_type() == "text/html":
            add_html(data, self._transcript, self._limits, part.get_content_charset())
        else:
            text, _ = decoded(data, str(part.get_content_charset("utf-8")))
            add_paragraphs(text, self._transcript)


def _parts(message: _Message) -> Iterator[_Message]:
    """Those that are no containers; a message within the message is one, and is not looked into."""
    waiting = [message]
    seen = 0
    while waiting:
        part = waiting.pop()
        seen += 1
        if seen > _MOST_PARTS:
            raise too_large("It has more parts")
        payload = part.get_payload()
        if isinstance(payload, list) and part.get_content_maintype() == "multipart":
            waiting += [inner for inner in reversed(payload) if isinstance(inner, email.message.Message)]
        else:
            yield part


def _is_attached(part: _Message) -> bool:
    return (
        part.get_content_disposition() == "attachment"
        or part.get_content_type() not in {"text/plain", "text/html"}
        or part.get_filename() is not None
    )


def _name_of(part: _Message) -> str:
    name = part.get_filename() or _field(part, "Subject") or part.get_content_type()
    return _in_words(name)[:100]


def _field(message: _Message, name: str) -> str:
    return _in_words(str(message.get(name, ""))[:_LONGEST_FIELD])


def _in_words(value: str) -> str:
    """An encoded word (RFC 2047) decoded, where that can be done; on one line."""
    try:
        value = str(make_header(decode_header(value)))
    except (MessageError, ValueError, LookupError):
        value = value.encode("utf-8", _NOT_ASCII).decode("utf-8", "replace")
    return one_line(value)
