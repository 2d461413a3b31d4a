"""Alembic's entry: runs on the connection that `schema.py` hands over, so there is one way to reach the database."""

from alembic import context

from chatkeep.migrations.schema import target_metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=target_metadata(),
    compare_type=True,
    render_as_batch=True,
    # A full-text index on SQLite is a table with others of its own, which are nothing to compare.
    include_name=lambda name, kind, _: kind != "table" or not str(name).startswith("message_index"),
)
with context.begin_transaction():
    context.run_migrations()
