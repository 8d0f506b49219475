#!lua
-- Answers the ending of a terminal job, or registers the client to be told: nothing ends unseen between.
-- KEYS: prefix
-- ARGS: id client terminal
-- Returns {status, completed ms, ending}, {"WAITING"}, {"MISSING"} or {"DUPLICATE", winner}.
local job = prefix .. 'job:' .. id
local v = redis.call('HMGET', job, 'state', 'completed', 'ending', 'reply', 'duplicate_of')
if v[5] then return {'DUPLICATE', v[5]} end
if not v[1] then return {'MISSING'} end
if string.find(terminal, v[1], 1, true) then return {v[1], v[2], v[3]} end
if not v[4] then
  redis.call('HSET', job, 'reply', client)
elseif not string.find(v[4], client, 1, true) then
  redis.call('HSET', job, 'reply', v[4] .. ',' .. client)
end
return {'WAITING'}
