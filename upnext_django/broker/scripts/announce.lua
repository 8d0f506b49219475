#!lua flags=allow-oom
-- Says that a worker knows handlers of an event, and forgets those that no worker has spoken of for keep_ms.
-- KEYS: handlers_key
-- ARGS: keep_ms items*
-- USES: clock
-- An item is two values: function definition. A field of the hash holds "ms definition".
-- Returns how many handlers it forgot.
for i = items_from, #ARGV, 2 do
  redis.call('HSET', handlers_key, ARGV[i], string.format('%.0f ', now) .. ARGV[i + 1])
end
redis.call('PEXPIRE', handlers_key, keep_ms)
local forgotten = 0
local all = redis.call('HGETALL', handlers_key)
for i = 1, #all, 2 do
  local said = tonumber(string.match(all[i + 1], '^%d+'))
  if said < now - tonumber(keep_ms) then
    forgotten = forgotten + redis.call('HDEL', handlers_key, all[i])
  end
end
return forgotten
