-- ring(fn): one token on the bell of every capability that knows fn; once a call.
local rung = {}
local function ring(fn)
  if rung[fn] then return end
  rung[fn] = true
  for _, capability in ipairs(redis.call('SMEMBERS', prefix .. 'knows:' .. fn)) do
    local bell = prefix .. 'bell:' .. capability
    if redis.call('EXISTS', bell) == 0 then redis.call('RPUSH', bell, '1') end
  end
end
