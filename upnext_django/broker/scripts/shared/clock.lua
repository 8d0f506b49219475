-- now: Redis's time in ms, now_text the same as text. No other clock decides anything.
local stamp = redis.call('TIME')
-- Put together as text: Lua writes a number of 13 digits slowly.
local now_text = stamp[1] .. string.sub('00000' .. stamp[2], -6, -4)
local now = tonumber(now_text)
