"""Processes of the server's own, for what would hold its event loop or is not to be trusted with its memory."""
