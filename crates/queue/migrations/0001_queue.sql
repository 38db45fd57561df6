-- The queue. Only TEXT and BIGINT, so that one schema serves SQLite and PostgreSQL. Times are milliseconds since 1970 by the
-- database's clock; digests are 64 hexadecimal digits.

CREATE TABLE jobs (
    -- UUID version 7: sorts by time.
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    idempotency_key TEXT,
    -- Digest of program and input, which decide what the receipt says.
    request TEXT NOT NULL,
    program TEXT NOT NULL,
    input TEXT NOT NULL,
    priority BIGINT NOT NULL,
    -- JSON.
    limits TEXT NOT NULL,
    deadline_ms BIGINT,
    -- queued, running, done, failed, cancelled.
    state TEXT NOT NULL,
    -- That of the worker that executes or executed it, as JSON; empty before.
    engine TEXT NOT NULL,
    -- Of a failed job: the task that failed (execute, prove-7, fold-2.0, seal), and why.
    failed_task TEXT,
    failure TEXT,
    -- Of a done job: the artifact that its last task made.
    output TEXT,
    -- Once it is executed.
    cycles BIGINT,
    segments BIGINT,
    created_ms BIGINT NOT NULL,
    started_ms BIGINT,
    ended_ms BIGINT,
    UNIQUE (tenant, idempotency_key)
);

CREATE INDEX jobs_tenant ON jobs (tenant, id);
CREATE INDEX jobs_state ON jobs (state, id);
CREATE INDEX jobs_request ON jobs (tenant, request);
CREATE INDEX jobs_program ON jobs (program, tenant);
CREATE INDEX jobs_input ON jobs (input, tenant);
CREATE INDEX jobs_open ON jobs (tenant) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_deadline ON jobs (deadline_ms) WHERE deadline_ms IS NOT NULL AND state IN ('queued', 'running');
CREATE INDEX jobs_ended ON jobs (ended_ms) WHERE ended_ms IS NOT NULL;

CREATE TABLE tasks (
    job TEXT NOT NULL REFERENCES jobs (id),
    -- Where it stands in its job, in the order of the work: 1-execute, 2-prove-0000000007, 3-fold-0000000002.0000000000, 4-seal.
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    -- Less runs first between tasks of equal priority: rank, then due_ms, then job, then place.
    rank BIGINT NOT NULL,
    place BIGINT NOT NULL,
    due_ms BIGINT NOT NULL,
    tenant TEXT NOT NULL,
    priority BIGINT NOT NULL,
    -- What a worker must have; no engine means any.
    engine TEXT NOT NULL,
    ram_bytes BIGINT NOT NULL,
    -- What to do and what it takes, as JSON.
    spec TEXT NOT NULL,
    inputs TEXT NOT NULL,
    -- Whether its result ends the job.
    is_last BIGINT NOT NULL,
    -- pending, ready, running, done, dead, cancelled.
    state TEXT NOT NULL,
    -- How many of its children are not done.
    waiting_on BIGINT NOT NULL,
    -- Counts every start; fences what workers say.
    attempt BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    bad_proofs BIGINT NOT NULL,
    run_after_ms BIGINT NOT NULL,
    -- Who runs it, or made its result.
    worker TEXT,
    -- While it runs.
    lease_until_ms BIGINT,
    output TEXT,
    is_reused BIGINT NOT NULL,
    -- Instructions of its segment; of an execution, done so far.
    cycles BIGINT,
    -- Why its latest start that failed did so.
    failure TEXT,
    cpu_ms BIGINT,
    peak_bytes BIGINT,
    ready_ms BIGINT,
    started_ms BIGINT,
    ended_ms BIGINT,
    changed_ms BIGINT NOT NULL,
    PRIMARY KEY (job, id)
);

CREATE INDEX tasks_ready ON tasks (priority DESC, rank, due_ms, job, place, kind, engine) WHERE state = 'ready';
CREATE INDEX tasks_running ON tasks (tenant, worker) WHERE state = 'running';
CREATE INDEX tasks_dead ON tasks (tenant, job, id) WHERE state = 'dead';
CREATE INDEX tasks_changed ON tasks (job, changed_ms, kind, state);
CREATE INDEX tasks_output ON tasks (output, tenant) WHERE output IS NOT NULL;

CREATE TABLE edges (
    job TEXT NOT NULL,
    parent TEXT NOT NULL,
    -- Place among the parent's inputs.
    slot BIGINT NOT NULL,
    child TEXT NOT NULL,
    PRIMARY KEY (job, parent, slot)
);

CREATE INDEX edges_child ON edges (job, child);

-- What became of each start that left no result, or whose result was lost; that of a result stands with its task. Written once
-- when it ends.
CREATE TABLE attempts (
    job TEXT NOT NULL,
    task TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    worker TEXT NOT NULL,
    started_ms BIGINT NOT NULL,
    ended_ms BIGINT NOT NULL,
    -- done, retry, bad_proof, failed, expired, released, cancelled.
    outcome TEXT NOT NULL,
    detail TEXT,
    PRIMARY KEY (job, task, attempt)
);

CREATE TABLE workers (
    name TEXT NOT NULL PRIMARY KEY,
    -- Changes with every start of the process.
    boot TEXT NOT NULL,
    -- active, draining, quarantined, gone.
    state TEXT NOT NULL,
    version TEXT NOT NULL,
    -- JSON, as in tasks.
    engine TEXT NOT NULL,
    -- Separated by commas.
    kinds TEXT NOT NULL,
    ram_bytes BIGINT NOT NULL,
    resident_bytes BIGINT NOT NULL,
    cores BIGINT NOT NULL,
    slots BIGINT NOT NULL,
    -- Proofs it made that do not verify.
    strikes BIGINT NOT NULL,
    seen_ms BIGINT NOT NULL,
    registered_ms BIGINT NOT NULL
);

-- What a tenant may have at once: tasks that run, jobs that are not over; none means no limit.
CREATE TABLE tenants (
    name TEXT NOT NULL PRIMARY KEY,
    running_max BIGINT,
    jobs_max BIGINT
);

CREATE TABLE tokens (
    id TEXT NOT NULL PRIMARY KEY,
    -- Of the secret, which is stored nowhere.
    hash TEXT NOT NULL UNIQUE,
    -- client, worker, admin.
    scope TEXT NOT NULL,
    tenant TEXT NOT NULL,
    note TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT,
    revoked_ms BIGINT
);
