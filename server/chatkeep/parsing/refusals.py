"""Why a file cannot be read, and what its owner can do."""

from chatkeep.parsing.chunks import Unreadable


def unsupported(what: str, instead: str = "Documents can be PDF, office, web, mail and text files.") -> Unreadable:
    """`what` it is, as the end of the sentence "This is ..."."""
    return Unreadable("unsupported_type", f"This is {what}. {instead}")


def damaged(why: str = "it cannot be taken apart") -> Unreadable:
    """Also where it was made so: nothing tells the two apart."""
    return Unreadable("damaged", f"The file is damaged: {why}. Open it in the program it comes from and save it anew.")


def encrypted() -> Unreadable:
    """The file needs a password."""
    return Unreadable("encrypted", "The file is protected by a password. Save it without one and upload it again.")


def too_large(what: str) -> Unreadable:
    """`what` is too much, as the beginning of the sentence "... than can be read."."""
    return Unreadable("too_large", f"{what} than can be read. Split the file into smaller ones.")


def took_too_long() -> Unreadable:
    """By the clock or by the processor."""
    return Unreadable("took_too_long", "Reading the file took too long. Split it, or save it in a simpler format.")
