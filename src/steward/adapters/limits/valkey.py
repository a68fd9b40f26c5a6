"""Limits counted on a Valkey or Redis server, so that many machines share them (extra `valkey`).

One Lua script for each step, run by the server as one action, so that no two requests can take the same place. All
keys carry one hash tag and so live in one slot of a cluster. What is counted, and when it is free again, is the same
as in `local.py`. Start times are a sorted set, tokens a hash by second, money a hash of the day and the month,
running requests a hash by process; a process renews a key of its own, and one whose key has expired is dead.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import redis.asyncio as redis
from redis.exceptions import RedisError

from steward.adapters.limits.periods import day_of, month_of, seconds_to_day_end, seconds_to_month_end
from steward.adapters.limits.window_file import WINDOW_S
from steward.core.errors import InputError, Unavailable
from steward.core.records import Decision, Reservation, Scope

LEASE_S: Final = 15
_PREFIX: Final = "{steward}:limits:"

# KEYS: one for each scope. ARGV: now, tokens, micro-USD, request, process, lease prefix, day, month, 1 to take the
# request itself (0: only more tokens and money), the second the tokens belong to, then five limits a scope (-1: none).
_RESERVE: Final = """
local now, tokens, usd = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local request, process, lease, day, month = ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local whole, second = ARGV[9] == '1', ARGV[10]
local first = math.floor(now) - 60
local latest = now + 5  -- what is later was counted before a clock was set back

local function counted(key)
  local sum, list = 0, redis.call('HGETALL', key .. ':tokens')
  local seconds = {}
  for i = 1, #list, 2 do
    if tonumber(list[i]) < first or tonumber(list[i]) > latest then redis.call('HDEL', key .. ':tokens', list[i])
    else sum = sum + tonumber(list[i + 1]); seconds[#seconds + 1] = {tonumber(list[i]), tonumber(list[i + 1])} end
  end
  return sum, seconds
end

local function running(key, clean)
  local sum, list = 0, redis.call('HGETALL', key .. ':running')
  for i = 1, #list, 2 do
    if clean and list[i] ~= process and redis.call('EXISTS', lease .. list[i]) == 0 then
      redis.call('HDEL', key .. ':running', list[i])
    else sum = sum + tonumber(list[i + 1]) end
  end
  return sum
end

local function spending(key, kind, period)  -- the next one's too: spent before a clock was set back
  local sum = 0
  for _, name in ipairs({kind .. period, kind .. string.format('%d', tonumber(period) + 1)}) do
    sum = sum + tonumber(redis.call('HGET', key .. ':money', name) or '0')
  end
  return sum
end

for n, key in ipairs(KEYS) do
  local at = 10 + (n - 1) * 5
  local rpm, tpm, places = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local per_day, per_month = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
  if whole and rpm >= 0 then
    redis.call('ZREMRANGEBYSCORE', key .. ':requests', '-inf', now - 60)
    redis.call('ZREMRANGEBYSCORE', key .. ':requests', '(' .. latest, '+inf')
    if redis.call('ZCARD', key .. ':requests') >= rpm then
      local oldest = redis.call('ZRANGE', key .. ':requests', -rpm, -rpm, 'WITHSCORES')
      return {n, 'requests', tostring(rpm), tostring(oldest[2] + 60 - now)}
    end
  end
  if tpm >= 0 then
    local used, seconds = counted(key)
    if used + tokens > tpm then
      table.sort(seconds, function(a, b) return a[1] < b[1] end)
      local needed, wait = used + tokens - tpm, 60
      for _, pair in ipairs(seconds) do
        needed = needed - pair[2]
        if needed <= 0 then wait = pair[1] + 61 - now; break end
      end
      return {n, 'tokens', tostring(used), tostring(wait)}
    end
  end
  if whole and places >= 0 and running(key, false) >= places then
    local busy = running(key, true)
    if busy >= places then return {n, 'concurrent', tostring(busy), '1'} end
  end
  if per_day >= 0 then
    local spent = spending(key, 'd', day)
    if spent + usd > per_day then return {n, 'usd_per_day', tostring(spent), '0'} end
  end
  if per_month >= 0 then
    local spent = spending(key, 'm', month)
    if spent + usd > per_month then return {n, 'usd_per_month', tostring(spent), '0'} end
  end
end

local told = {0}
for n, key in ipairs(KEYS) do
  local at = 10 + (n - 1) * 5
  local rpm, tpm, places = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local requests, used = -1, -1
  if rpm >= 0 then
    if whole then
      redis.call('ZADD', key .. ':requests', now, request)
      redis.call('EXPIRE', key .. ':requests', 120)
    end
    requests = redis.call('ZCARD', key .. ':requests')
  end
  if tpm >= 0 then
    redis.call('HINCRBY', key .. ':tokens', second, tokens)
    redis.call('EXPIRE', key .. ':tokens', 120)
    used = counted(key)
  end
  if tonumber(ARGV[at + 4]) >= 0 or tonumber(ARGV[at + 5]) >= 0 then
    redis.call('HINCRBY', key .. ':money', 'd' .. day, usd)
    redis.call('HINCRBY', key .. ':money', 'm' .. month, usd)
    redis.call('EXPIRE', key .. ':money', 3456000)
  end
  if whole and places >= 0 then redis.call('HINCRBY', key .. ':running', process, 1) end
  told[#told + 1] = requests
  told[#told + 1] = used
end
return told
"""

# KEYS: one for each scope. ARGV: now, tokens to add, micro-USD to add, request, process, second, day, month,
# 1 to take the request out of its minute as well, then three a scope: whether tokens, money, places are limited.
_SETTLE: Final = """
local now, tokens, usd = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
for n, key in ipairs(KEYS) do
  local at = 9 + (n - 1) * 3
  if ARGV[at + 1] == '1' and tonumber(ARGV[6]) >= math.floor(now) - 60 then
    redis.call('HINCRBY', key .. ':tokens', ARGV[6], tokens)
    redis.call('EXPIRE', key .. ':tokens', 120)
  end
  if ARGV[at + 2] == '1' and usd ~= 0 then
    redis.call('HINCRBY', key .. ':money', 'd' .. ARGV[7], usd)
    redis.call('HINCRBY', key .. ':money', 'm' .. ARGV[8], usd)
  end
  if ARGV[at + 3] == '1' and redis.call('HINCRBY', key .. ':running', ARGV[5], -1) <= 0 then
    redis.call('HDEL', key .. ':running', ARGV[5])
  end
  if ARGV[9] == '1' then redis.call('ZREM', key .. ':requests', ARGV[4]) end
end
return 1
"""


class ValkeyLimiter:
    """The limiter of many machines. `url` is the server's: redis://host:6379/0, or unix:///path."""

    def __init__(self, url: str) -> None:
        """:raises InputError: another kind of URL"""
        try:
            self._client: Any = redis.Redis.from_url(url, socket_timeout=2.0, socket_connect_timeout=2.0)
        except ValueError as error:  # its message may repeat the URL, which may hold a password
            raise InputError(
                "limits.valkey: what it leads to is no URL of a Valkey server; expected redis://HOST:6379/0, "
                "rediss://HOST:6379/0 or unix:///PATH"
            ) from error
        self._reserve = self._client.register_script(_RESERVE)
        self._settle = self._client.register_script(_SETTLE)
        self._process = os.urandom(8).hex()
        self._lease: asyncio.Task[None] | None = None

    async def reserve(
        self, request_id: str, scopes: Sequence[Scope], tokens: int, usd: float, now: float
    ) -> tuple[Decision, Reservation | None]:
        ordered = tuple(sorted(scopes, key=lambda scope: scope.name))
        if self._lease is None:
            await self._renew()
            self._lease = asyncio.create_task(self._keep_lease())
        answer = await self._run(ordered, request_id, tokens, usd, now, now, whole=True)
        if int(answer[0]):
            return _make_refusal(ordered[int(answer[0]) - 1], answer, now), None
        return _make_decision(ordered, [int(value) for value in answer[1:]]), Reservation(
            request_id, ordered, now, tokens, usd
        )

    async def extend(self, held: Reservation, tokens: int, usd: float, now: float) -> bool:
        answer = await self._run(held.scopes, held.request_id, tokens, usd, now, held.at, whole=False)
        if int(answer[0]):
            return False
        held.tokens += tokens
        held.usd += usd
        return True

    async def settle(self, held: Reservation, tokens: int, usd: float, now: float) -> None:
        await self._give_back(held, tokens, usd, now, cancel=False)

    async def cancel(self, held: Reservation, now: float) -> None:
        await self._give_back(held, 0, 0.0, now, cancel=True)

    async def close(self) -> None:
        if self._lease is not None:
            self._lease.cancel()
            with suppress(asyncio.CancelledError):
                await self._lease
            with suppress(RedisError, OSError):
                await self._client.delete(self._lease_key())
        await self._client.aclose()

    async def _run(
        self, scopes: Sequence[Scope], request_id: str, tokens: int, usd: float, now: float, at: float, *, whole: bool
    ) -> list[Any]:
        arguments: list[Any] = [repr(now), tokens, round(usd * 1e6), request_id, self._process, _PREFIX + "process:"]
        arguments += [day_of(now), month_of(now), int(whole), int(at)]
        for scope in scopes:
            limits = scope.limits
            arguments += [_encode_limit(limits.requests_per_minute), _encode_limit(limits.tokens_per_minute)]
            arguments += [
                _encode_limit(limits.concurrent),
                _encode_usd(limits.usd_per_day),
                _encode_usd(limits.usd_per_month),
            ]
        try:
            answer: list[Any] = await self._reserve([_PREFIX + scope.name for scope in scopes], arguments)
        except (RedisError, OSError) as error:
            raise _unavailable_error(error) from error
        return answer

    async def _give_back(self, held: Reservation, tokens: int, usd: float, now: float, *, cancel: bool) -> None:
        arguments: list[Any] = [repr(now), tokens - held.tokens, round((usd - held.usd) * 1e6), held.request_id]
        arguments += [self._process, int(held.at), day_of(held.at), month_of(held.at), int(cancel)]
        for scope in held.scopes:
            limits = scope.limits
            kinds = (limits.tokens_per_minute is not None, limits.has_budget(), limits.concurrent is not None)
            arguments += [int(kind) for kind in kinds]
        try:
            await self._settle([_PREFIX + scope.name for scope in held.scopes], arguments)
        except (RedisError, OSError) as error:
            raise _unavailable_error(error) from error

    def _lease_key(self) -> str:
        return f"{_PREFIX}process:{self._process}"

    async def _renew(self) -> None:
        try:
            await self._client.set(self._lease_key(), "1", ex=LEASE_S)
        except (RedisError, OSError) as error:
            raise _unavailable_error(error) from error

    async def _keep_lease(self) -> None:
        while True:
            await asyncio.sleep(LEASE_S / 3)
            with suppress(Unavailable):
                await self._renew()


def _encode_limit(limit: int | None) -> int:
    return -1 if limit is None else limit


def _encode_usd(usd: float | None) -> int:
    return -1 if usd is None else round(usd * 1e6)


def _unavailable_error(error: Exception) -> Unavailable:
    return Unavailable(f"the server that counts limits does not answer ({type(error).__name__})")


def _make_refusal(scope: Scope, answer: Sequence[Any], now: float) -> Decision:
    what = answer[1].decode()
    limits = scope.limits
    limit = {
        "requests": limits.requests_per_minute,
        "tokens": limits.tokens_per_minute,
        "concurrent": limits.concurrent,
        "usd_per_day": limits.usd_per_day,
        "usd_per_month": limits.usd_per_month,
    }[what]
    wait = {"usd_per_day": seconds_to_day_end(now), "usd_per_month": seconds_to_month_end(now)}.get(
        what, float(answer[3])
    )
    used = float(answer[2]) / (1e6 if what.startswith("usd") else 1)
    return Decision(
        allowed=False,
        scope=scope.name,
        what=what,
        limit=float(limit or 0),
        used=used,
        retry_after_s=wait,
        limit_requests=limits.requests_per_minute,
        limit_tokens=limits.tokens_per_minute,
    )


def _make_decision(scopes: Sequence[Scope], counts: Sequence[int]) -> Decision:
    """The scope with the fewest left, for each kind apart; `counts` has requests and tokens used of each scope."""
    requests = [
        (scope.limits.requests_per_minute - used, scope.limits.requests_per_minute)
        for scope, used in zip(scopes, counts[0::2], strict=True)
        if scope.limits.requests_per_minute is not None
    ]
    tokens = [
        (scope.limits.tokens_per_minute - used, scope.limits.tokens_per_minute)
        for scope, used in zip(scopes, counts[1::2], strict=True)
        if scope.limits.tokens_per_minute is not None
    ]
    left_requests, limit_requests = min(requests) if requests else (0, None)
    left_tokens, limit_tokens = min(tokens) if tokens else (0, None)
    return Decision(
        allowed=True,
        limit_requests=limit_requests,
        remaining_requests=max(0, left_requests),
        reset_requests_s=WINDOW_S if limit_requests is not None else 0.0,
        limit_tokens=limit_tokens,
        remaining_tokens=max(0, left_tokens),
        reset_tokens_s=WINDOW_S if limit_tokens is not None else 0.0,
    )
