"""What an answer has cost so far, known at any moment: it may end at any."""

from dataclasses import dataclass

from chatkeep.llm.model import Usage


@dataclass(slots=True)
class Tally:
    """`usage` as the model counts it, None until it has; `produced` in bytes of UTF-8, or nearly so."""

    usage: Usage | None = None
    produced: int = 0
    provider: str | None = None
