"""E-mail addresses: one canonical form per mailbox, so that nobody can register beside somebody else."""

import unicodedata

from email_validator import EmailNotValidError, validate_email

from authkeep.errors import InvalidEmail

MAX_LENGTH = 254
_SUFFIX = ".example"


def parse_email(text: str) -> tuple[str, str]:
    """The address as it is shown, and its canonical key.

    The key ignores case, Unicode form and width, and white space around the address, although RFC 5321, section
    2.4, lets the local part be case-sensitive: no provider of note makes use of it, and attackers do. Dots and
    `+tags` stay, since what they mean is each provider's own affair.

    Raises:
        InvalidEmail: it is not an address. Whether it can receive mail is not asked.
    """
    # Before NFKC, which takes quadratic time over combining marks.
    if len(text) > 4 * MAX_LENGTH:
        raise InvalidEmail
    try:
        folded = unicodedata.normalize("NFKC", text).strip()
        # One character may have become eighteen.
        if len(folded) > 4 * MAX_LENGTH:
            raise InvalidEmail
        # The suffix goes again below. With it, names of the intranet (box.local, localhost) are checked like all
        # others, where the validator would refuse them unasked: a self-hosted server may well live there.
        address = validate_email(folded + _SUFFIX, check_deliverability=False)
    except (EmailNotValidError, UnicodeError, ValueError):
        raise InvalidEmail from None
    shown = address.normalized.removesuffix(_SUFFIX)
    if len(shown) > MAX_LENGTH:
        raise InvalidEmail
    local = unicodedata.normalize("NFKC", address.local_part.casefold())
    return shown, f"{local}@{address.ascii_domain.lower().removesuffix(_SUFFIX)}"
