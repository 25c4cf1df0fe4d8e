"""Limits on requests: the part of a Redis script that counts them, for all processes together.

GCRA (the leaky bucket as a meter): of a limit, Redis keeps one time, at which all that was used has come back. Each
request moves it on by `window / count`, and is refused where that would put it more than a window ahead. So `count`
requests may come at once, they come back one by one, and a key that nobody uses any more is gone within the window.
"""

# Lua: `admit(now, first, argument)` counts a request by KEYS[first] and the following ones, all of them or, where one
# refuses, none. ARGV[argument] and the following are interval and window of each, in microseconds. Returns whether the
# request may go on, the limit that has the least left (or that refuses for the longest time), how many requests are left
# of it, and the milliseconds until all are there again (or until the next may be sent). A time that is too far ahead is
# due to a clock that went back: it is a window ahead from then on. Where Redis takes no writes, nothing is counted.
ADMIT = """
local function put(key, time, now)
  redis.pcall('SET', key, string.format('%.0f', time), 'PX', math.ceil((time - now) / 1000))
end
local function admit(now, first, argument)
  if not KEYS[first] then return 1, 0, 0, 0 end
  local stored = redis.call('MGET', unpack(KEYS, first))
  local times, least, left, wait, refusing, pause = {}, 0, 0, 0, 0, 0
  for index = 1, #stored do
    local interval, window = tonumber(ARGV[argument]), tonumber(ARGV[argument + 1])
    argument = argument + 2
    local time = math.max(tonumber(stored[index] or '0'), now)
    if time > now + window then
      time = now + window
      put(KEYS[first + index - 1], time, now)
    end
    time = time + interval
    local ahead = time - now
    local rest = math.floor((window - ahead) / interval)
    if ahead - window > pause then refusing, pause = index, ahead - window end
    if least == 0 or rest < left then least, left, wait = index, rest, ahead end
    times[index] = time
  end
  if refusing > 0 then return 0, refusing, 0, math.ceil(pause / 1000) end
  for index = 1, #stored do put(KEYS[first + index - 1], times[index], now) end
  return 1, least, left, math.ceil(wait / 1000)
end
"""

# Lua: `now`, in microseconds since 1970 by the clock of Redis, which all replicas share.
NOW = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
"""
