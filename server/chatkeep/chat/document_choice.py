"""Which documents an answer draws on: what the message says, or else what its chat says."""

from dataclasses import dataclass
from typing import Any

from chatkeep.chat.errors import DocumentsClosed
from chatkeep.chat.records import ChatSession


@dataclass(frozen=True, slots=True)
class DocumentChoice:
    """What a message says of it. `use`: None leaves it to the chat. `collection_ids`: only these; None likewise.

    `allowed` is whether the one who sends it may read documents at all.
    """

    use: bool | None = None
    collection_ids: tuple[str, ...] | None = None
    allowed: bool = True

    def within(self, session: ChatSession) -> dict[str, Any] | None:
        """As a generation keeps it: the collections, or null for all that is open to the owner. None: no documents.

        Raises:
            DocumentsClosed
        """
        chosen = session.collection_ids if self.collection_ids is None else list(self.collection_ids)
        use = self.use
        if use is None and self.collection_ids is None:
            use = session.use_documents
        if use is None:
            # Whoever names collections means them to be used.
            use = chosen is not None
        if use and not self.allowed:
            raise DocumentsClosed
        return {"collection_ids": chosen} if use else None


AS_THE_CHAT_SAYS = DocumentChoice()
