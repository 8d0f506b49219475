#!lua flags=allow-oom
-- Takes back one job whose process died while its worker lives on; counts as recover does, without waiting for the lease.
-- KEYS: prefix
-- ARGS: history max_crashes lost_ttl cancel_ttl id token
-- STATES: recovered active queued failed cancelled
-- USES: clock events ring enqueue leader limits finish takeback
-- Returns the job's new status, "MISSING" or "STALE" (another attempt owns the job, or it ended).
local job = prefix .. 'job:' .. id
local held = redis.call('HMGET', job, 'state', 'token', 'stream', 'entry')
if not held[1] then return 'MISSING' end
if held[1] ~= active or held[2] ~= token then return 'STALE' end
take_back(held[3], held[4], id)
free_up(held[3])
tell()
return redis.call('HGET', job, 'state')
