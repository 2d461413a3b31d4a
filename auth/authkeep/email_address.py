"""E-mail addresses: one canonical form per mailbox, so that nobody can register beside somebody else."""

import unicodedata

from email_validator import EmailNotValidError, validate_email

from authkeep.errors import InvalidEmail

MAX_LENGTH = 254


def parse_email(text: str) -> tuple[str, str]:
    """The address as it is shown, and its canonical key.

    The key ignores case, Unicode form and width, and white space around the address, although RFC 5321, section
    2.4, lets the local part be case-sensitive: no provider of note makes use of it, and attackers do. Dots and
    `+tags` stay, since what they mean is each provider's own affair.

    Raises:
        InvalidEmail: it is not an address. Whether it can receive mail is not asked.
    """
    if len(text) > 4 * MAX_LENGTH:
        raise InvalidEmail
    try:
        folded = unicodedata.normalize("NFKC", text).strip()
        # Intranet names without a dot are fine on a server that lives in one.
        address = validate_email(folded, check_deliverability=False, globally_deliverable=False)
    except (EmailNotValidError, UnicodeError, ValueError):
        raise InvalidEmail from None
    if len(address.normalized) > MAX_LENGTH:
        raise InvalidEmail
    domain = (address.ascii_domain or address.domain).lower()
    local = unicodedata.normalize("NFKC", address.local_part.casefold())
    return address.normalized, f"{local}@{domain}"
