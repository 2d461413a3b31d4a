"""What quotas refuse.

ChatkeepError
├─ QuotaExceeded   429   a limit of the user's role or of the model is used up; says which, and when it begins anew
└─ RangeInvalid    422   the days asked for are no range, or too many
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from chatkeep.errors import ChatkeepError
from chatkeep.limits.schemas import LimitOut
from chatkeep.limits.standing import Standing
from chatkeep.settings_quotas import MICROS


class QuotaExceeded(ChatkeepError):
    """Nothing was asked of the model. `standing` is the limit that keeps the caller waiting for the longest."""

    status = 429
    code = "quota_exceeded"
    title = "Your quota is used up"

    def __init__(self, exceeded: Sequence[Standing]) -> None:
        self.standing = max(exceeded, key=lambda standing: standing.retry_after)
        self.headers = {
            "Retry-After": str(self.standing.retry_after),
            "RateLimit-Policy": ", ".join(standing.policy for standing in exceeded),
            "RateLimit": ", ".join(standing.state for standing in exceeded),
        }
        super().__init__(_explain(self.standing))

    @property
    def members(self) -> dict[str, Any]:
        """What the problem tells programs beside the sentence."""
        return {"limit": LimitOut.of(self.standing).model_dump(mode="json")}


class RangeInvalid(ChatkeepError):
    """`from` and `to` do not name days that can be told at once."""

    status = 422
    code = "range_invalid"
    title = "These days cannot be told"

    def __init__(self, most_days: int) -> None:
        super().__init__(f"from must not be behind to, and they may span {most_days} days at most.")


def _explain(standing: Standing) -> str:
    limit = standing.limit
    of_model = f" of {limit.model}" if limit.model else ""
    if limit.quantity == "concurrent" or standing.resets_at is None:
        return f"You have {standing.used} answers{of_model} being written. Wait until one has ended, or stop one."
    what = f"{limit.amount / MICROS:g} of cost" if limit.quantity == "cost" else f"{limit.amount} {limit.quantity}"
    whole = f"your quota of {what}{of_model} a {limit.window}"
    if standing.waits_for_answers:
        return f"What is left of {whole} is held by answers that are being written. Wait until one has ended."
    if standing.remaining:
        return f"This message with its conversation is more than what is left of {whole}. {_when(standing.resets_at)}"
    return f"You have used up {whole}. {_when(standing.resets_at)}"


def _when(moment: datetime) -> str:
    return f"It begins anew at {moment:%Y-%m-%d %H:%M} UTC."
