#!lua flags=allow-oom
-- Drops cached values. A leader that runs may have read what is out of date: it leads no more, so its value is
-- kept for nobody, and the first job that waits for it is woken to lead.
-- KEYS: prefix
-- ARGS: items*
-- USES: clock ring enqueue leader
-- An item is two values: function digest.
-- Returns how many values there were.
local dropped = 0
for i = items_from, #ARGV, 2 do
  local fn, digest = ARGV[i], ARGV[i + 1]
  dropped = dropped + redis.call('DEL', prefix .. 'cache:' .. fn .. ':' .. digest)
  local leader = redis.call('HGET', prefix .. 'leaders:' .. fn, digest)
  if leader then hand_on(leader, fn, digest) end
end
return dropped
