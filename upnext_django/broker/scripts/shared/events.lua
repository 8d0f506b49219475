-- told() collects the moves of this call, tell() appends them as one entry of the event stream.
local moves, texts = {}, {}
-- text(number): jobs of one call mostly have the same few numbers, and Lua writes each slowly.
local function text(number)
  local known = texts[number]
  if not known then
    known = tostring(number)
    texts[number] = known
  end
  return known
end
local function told(id, seq, move, status, token, extra, data)
  if history ~= '1' then return end
  local n = #moves
  moves[n + 1] = id
  moves[n + 2] = text(seq) .. ' ' .. now_text .. ' ' .. move .. ' ' .. status .. ' ' .. text(token) .. ' '
    .. text(extra) .. ' ' .. data
end
local function tell()
  if #moves > 0 then redis.call('XADD', prefix .. 'events', '*', unpack(moves)) end
end
