"""Counters that several processes share, in Valkey (or Redis)."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from typing_extensions import override
from valkey.asyncio import Valkey
from valkey.exceptions import ValkeyError

from authkeep.shared_counters import SharedCounters, Use

# The server's own clock decides, so that processes whose clocks differ agree. `authkeep.throttle.buy`, in Lua.
_ADVANCE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local answers = {}
for n, key in ipairs(KEYS) do
  local ahead = math.max((tonumber(redis.call('GET', key)) or now) - now, 0)
  local cost, ceiling = tonumber(ARGV[2 * n - 1]), tonumber(ARGV[2 * n])
  local allowed = ahead + cost <= ceiling + 0.000001
  if allowed then
    ahead = math.max(ahead + cost, 0)
    if ahead > 0 then
      redis.call('SET', key, string.format('%.6f', now + ahead), 'PX', math.ceil(ahead * 1000))
    else
      redis.call('DEL', key)
    end
  end
  answers[n] = {allowed and 1 or 0, tostring(ahead)}
end
return answers
"""
Reply: TypeAlias = list[tuple[int, bytes | str]]


class ValkeyCounters(SharedCounters):
    """Counters by one Lua script (`EVALSHA`) over all keys that are waiting; one node, not a cluster.

    Args:
        options: of `SharedCounters`: `fallback`, `patience`, `retry`.
    """

    place = "Valkey"

    def __init__(self, client: Valkey, *, prefix: str = "authkeep:limit:", **options: Any) -> None:
        super().__init__(**options)
        self._script = client.register_script(_ADVANCE)
        self._prefix = prefix

    @override
    async def _advance_all(self, uses: Sequence[Use]) -> Sequence[tuple[bool, float]]:
        keys = [self._prefix + use.key for use in uses]
        reply: Reply = await self._script(keys=keys, args=[value for use in uses for value in (use.cost, use.ceiling)])
        return [(bool(allowed), float(ahead)) for allowed, ahead in reply]

    @override
    def _is_outage(self, error: Exception) -> bool:
        return isinstance(error, ValkeyError)
