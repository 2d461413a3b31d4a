"""No credential in any log: a handler that tests hang on the root logger, and look at in the end."""

import logging
import re

from typing_extensions import override

# Refresh tokens, device tokens and API keys by their prefix, JWTs by their first member, hashes by theirs.
_CREDENTIAL = re.compile(
    r"\bak[a-z]_[\w-]{20,}|\b[a-z][a-z0-9]{1,9}_[A-Za-z0-9]{32,}|\beyJ[\w-]{10,}\.[\w-]{10,}\.|\$argon2id?\$|\$2[aby]\$\d\d\$"
)


def find_credential(text: str, *known: str) -> str | None:
    """What looks like one of our credentials, or is one of `known`: cut short, to be shown."""
    match = _CREDENTIAL.search(text)
    if match is not None:
        return f"{match[0][:8]}..."
    return next((f"{secret[:8]}..." for secret in known if secret in text), None)


class CredentialsInLogs(logging.Handler):
    """Attributes:
    found: each line that held a credential, as the name of its logger and what was seen.
    """

    def __init__(self, *known: str) -> None:
        super().__init__(logging.DEBUG)
        self._known = known
        self._lines = logging.Formatter()
        self.found: list[str] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "authkeep.mail.mailbox":
            # A developer's mailbox is the log, by choice: the links in it are for whoever reads it.
            return
        seen = find_credential(self._lines.format(record), *self._known)
        if seen is not None:
            self.found.append(f"{record.name}: {seen}")
