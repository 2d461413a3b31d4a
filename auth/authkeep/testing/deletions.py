"""Deletions in memory."""

from collections.abc import Sequence

from authkeep.store import Deletion
from authkeep.testing.tables import Tables


class MemoryDeletions(Tables):
    """`Deletions`."""

    async def list_deletions(self, limit: int) -> Sequence[Deletion]:
        return sorted(self.deletions.values(), key=lambda deletion: (deletion.deleted_at, deletion.user_id))[:limit]

    async def finish_deletion(self, user_id: str) -> None:
        self.deletions.pop(user_id, None)
