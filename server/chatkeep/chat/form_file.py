"""The file of a form (multipart/form-data, RFC 7578): the first part that has a file name, or else the first part."""

from email.message import Message

from chatkeep.chat.import_formats import FileRefused


def file_of_form(content_type: str, body: bytes) -> bytes:
    """What is in the file; a body that is no form is the file itself.

    Raises:
        FileRefused: it says that it is a form, and is none.
    """
    if not content_type.lower().startswith("multipart/"):
        return body
    header = Message()
    header["content-type"] = content_type
    boundary = str(header.get_param("boundary", ""))
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("latin-1", "replace"))[1:-1] if boundary else []
    found = [part.partition(b"\r\n\r\n") for part in parts]
    whole = [(head, content) for head, separator, content in found if separator]
    if not whole:
        raise FileRefused("There is no file in the form.")
    return next((content for head, content in whole if b"filename" in head.lower()), whole[0][1])
