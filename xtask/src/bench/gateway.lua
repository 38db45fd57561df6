-- The load for wrk: reads in turn, of jobs that the arguments name. At the end one line of JSON.

local pages = { "/v1/jobs?limit=50", "/v1/queue", "/healthz" }
local kinds = #pages + 2
local count = 0

function init(args)
  jobs = args
end

function request()
  count = count + 1
  local kind = count % kinds + 1
  if kind <= #pages then
    return wrk.format("GET", pages[kind])
  end
  local path = "/v1/jobs/" .. jobs[math.random(#jobs)]
  return wrk.format("GET", kind == kinds and path or path .. "/tasks")
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "us": %d, "failed": %d, "p50_us": %d, "p99_us": %d}\n',
    summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.timeout + errors.status,
    latency:percentile(50), latency:percentile(99)
  ))
end
