-- Every request asks for a job of its own, so that no two of them can share an answer.
local at = 0
request = function()
  at = (at + 1) % 900000
  return wrk.format(nil, "/api/v3/jobs/" .. (100000 + at))
end
