"""What the tests bring along: PostgreSQL, Valkey, node and Chromium, as pytest fixtures (see plugin.py)."""
