"""Counters that several processes share, in Valkey (or Redis)."""

import logging
from typing import TypeAlias

from valkey.asyncio import Valkey
from valkey.exceptions import ValkeyError

from authkeep.throttle import Counters, MemoryCounters

_log = logging.getLogger("authkeep.valkey")

# The server's own clock decides, so that processes whose clocks differ agree. One key, one script, one round trip.
_ADVANCE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local ahead = math.max((tonumber(redis.call('GET', KEYS[1])) or now) - now, 0)
local cost, ceiling = tonumber(ARGV[1]), tonumber(ARGV[2])
if ahead + cost > ceiling + 0.000001 then
  return {0, tostring(ahead)}
end
ahead = ahead + cost
redis.call('SET', KEYS[1], string.format('%.6f', now + ahead), 'PX', math.ceil(ahead * 1000))
return {1, tostring(ahead)}
"""
Reply: TypeAlias = tuple[int, bytes | str]


class ValkeyCounters:
    """Counters by one Lua script (`EVALSHA`).

    While Valkey does not answer, each process counts for itself: limits become as many times wider as there are
    processes, and are neither gone nor closed to everybody. `outages` says how often that was so.

    Args:
        client: give it timeouts (`socket_timeout`, `socket_connect_timeout`): a limit is not worth waiting for.
    """

    def __init__(self, client: Valkey, *, prefix: str = "authkeep:limit:", fallback: Counters | None = None) -> None:
        self._advance = client.register_script(_ADVANCE)
        self._prefix = prefix
        self._fallback = fallback or MemoryCounters()
        self.outages = 0

    async def advance(self, key: str, cost: float, ceiling: float) -> tuple[bool, float]:
        try:
            reply: Reply = await self._advance(keys=[self._prefix + key], args=[cost, ceiling])
        except (ValkeyError, OSError) as error:
            self.outages += 1
            _log.warning("Valkey did not count, this process does: %s", type(error).__name__)
            return await self._fallback.advance(key, cost, ceiling)
        return bool(reply[0]), float(reply[1])
