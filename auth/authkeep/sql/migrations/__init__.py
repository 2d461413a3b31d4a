"""authkeep's Alembic branch. See `authkeep.sql.migrate`."""
