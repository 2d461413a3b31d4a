"""The test servers (PostgreSQL, Valkey, Chromium, node) are there for every test in the repository."""

pytest_plugins = ["testbed.plugin"]
