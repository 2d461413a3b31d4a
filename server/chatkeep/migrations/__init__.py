"""The schema's history, by Alembic: chatkeep's branch here, authkeep's in its own package."""
