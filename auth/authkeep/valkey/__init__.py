"""The Valkey (or Redis) adapters: limits that several processes share, and the feed of what was revoked."""

from authkeep.valkey.counters import ValkeyCounters
from authkeep.valkey.feed import ValkeyFeed

__all__ = ["ValkeyCounters", "ValkeyFeed"]
