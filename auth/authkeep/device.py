"""Where a request comes from, as its user and the audit trail will see it."""

from dataclasses import dataclass

_MAX_USER_AGENT = 256


@dataclass(frozen=True, slots=True)
class Device:
    """Attributes:
    address: as far as it can be believed; see `authkeep.client_address`.
    user_agent: what the client calls itself; anybody may write anything there.
    """

    address: str
    user_agent: str = ""

    @property
    def shown_user_agent(self) -> str:
        return "".join(char for char in self.user_agent[:_MAX_USER_AGENT] if char.isprintable())
