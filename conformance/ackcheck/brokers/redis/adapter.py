"""Redis Streams as a consumer group has them: XREADGROUP and XCLAIM hand out, XACK settles.

It is a client of a server that the suite starts, kills and starts again, and lives on (`--server`, specs/protocol.md).
What a queue holds is told by the ids of its stream, which are ours: message n is entry 0-(n+1).

>>> number_of("0-8"), parted("orders|0-8"), parted("no receipt")
(7, ('orders', '0-8'), None)
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ackcheck.brokers.client import WithoutBarrier
from ackcheck.brokers.place import SOCKET
from ackcheck.target import Delivery

PUBLISH = """
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('XGROUP', 'CREATE', KEYS[1], 'g', '0', 'MKSTREAM') end
local told, last = redis.call('XINFO', 'STREAM', KEYS[1]), 0
for i = 1, #told, 2 do
  if told[i] == 'last-generated-id' then last = tonumber(string.match(told[i + 1], '-(%d+)')) end
end
for n = last + 1, tonumber(ARGV[1]) do redis.call('XADD', KEYS[1], '0-' .. n, 'n', n) end
"""
"""Adds what the stream has not got: after a fault, what it lost too."""

POP = """
local out = {}
for _, p in ipairs(redis.call('XPENDING', KEYS[1], 'g', 'IDLE', ARGV[2], '-', '+', ARGV[1])) do
  redis.call('XCLAIM', KEYS[1], 'g', 'me', ARGV[2], p[1])
  out[#out + 1] = {p[1], p[4] + 1}
end
if #out < tonumber(ARGV[1]) then
  local new = redis.call('XREADGROUP', 'GROUP', 'g', 'me', 'COUNT', ARGV[1] - #out, 'STREAMS', KEYS[1], '>')
  if new then for _, entry in ipairs(new[1][2]) do out[#out + 1] = {entry[1], 1} end end
end
return out
"""
"""Claims what has been idle for too long, then reads what is new; gives ids and how often each was delivered."""

ACK = """
if redis.call('XACK', KEYS[1], 'g', ARGV[1]) == 1 then return 'OK' end
local group = redis.call('XINFO', 'GROUPS', KEYS[1])[1]
for i = 1, #group, 2 do
  if group[i] == 'last-delivered-id' then
    return tonumber(string.match(group[i + 1], '-(%d+)')) < tonumber(ARGV[2]) and 'EXPIRED' or 'SETTLED'
  end
end
"""
"""What is not pending was acked before; or else the server has forgotten that it was ever delivered."""


def number_of(entry: str) -> int:
    """Return the offset of a message, by the id of its entry."""
    return int(entry.partition("-")[2]) - 1


def parted(receipt: str) -> tuple[str, str] | None:
    """Return the queue and the entry that a receipt names, None where it is none of ours."""
    queue, bar, entry = receipt.partition("|")
    return (queue, entry) if bar and entry.startswith("0-") and entry[2:].isdigit() else None


class Streams(WithoutBarrier):
    """A target (`ackcheck.target.Target`); a stream a queue, one group, one consumer. WAITAOF came with Redis 7.2."""

    def open(self, directory: Path) -> None:  # noqa: ARG002 - which is the server's
        """Connect, once the server has loaded its log."""
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        once = Retry(NoBackoff(), 0)  # what was under way when the server was killed is not tried on the next one
        self.redis: Any = redis.Redis(unix_socket_path=os.environ[SOCKET], decode_responses=True, retry=once)
        self.gone = (redis.ConnectionError,)
        self.connected(self.redis.ping, redis.exceptions.BusyLoadingError)

    def _run(self, script: str, queue: str, *arguments: object) -> Any:
        return self.ask(self.redis.eval, script, 1, queue, *arguments)

    def publish(self, queue: str, end: int) -> None:
        """Add what is missing up to `end`."""
        self._run(PUBLISH, queue, end)

    def pop(self, queue: str, count: int, invisible: float) -> Sequence[Delivery]:
        """Hand out what has been idle for so long, and what is new."""
        until = time.time() + invisible
        return [
            Delivery(receipt=f"{queue}|{entry}", offset=number_of(entry), attempt=times, deadline=until)
            for entry, times in self._run(POP, queue, count, int(invisible * 1000))
        ]

    def ack(self, receipt: str) -> str:
        """XACK it."""
        named = parted(receipt)
        return "INVALID" if named is None else str(self._run(ACK, named[0], named[1], named[1][2:]))

    def close(self) -> str:
        """Leave: the suite ends the server. What it has not synced by now may still be lost, so only `always` is OK."""
        synced = self.redis.config_get("appendfsync")["appendfsync"] == "always"
        return "OK" if synced else "UNKNOWN"
