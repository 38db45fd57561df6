-- The queue. Only TEXT and BIGINT, so that one schema serves SQLite and PostgreSQL. Times are milliseconds since 1970 by the
-- database's clock; digests are 64 hexadecimal digits.

CREATE TABLE jobs (
    -- UUID version 7: sorts by time.
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    idempotency_key TEXT,
    -- Digest of all that decides the receipt.
    request TEXT NOT NULL,
    priority BIGINT NOT NULL,
    deadline_ms BIGINT,
    -- queued, running, done, failed, cancelled.
    state TEXT NOT NULL,
    -- Of a failed job: the task that failed, and why.
    failed_task TEXT,
    failure TEXT,
    -- Of a done job: the artifact that its last task made.
    output TEXT,
    created_ms BIGINT NOT NULL,
    started_ms BIGINT,
    ended_ms BIGINT,
    UNIQUE (tenant, idempotency_key)
);

CREATE INDEX jobs_request ON jobs (tenant, request);
CREATE INDEX jobs_deadline ON jobs (deadline_ms) WHERE deadline_ms IS NOT NULL AND state IN ('queued', 'running');

CREATE TABLE tasks (
    job TEXT NOT NULL REFERENCES jobs (id),
    -- Where it stands in its job: execute, prove 7, fold 2.0, seal.
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    -- Less runs first within a job and between jobs of equal priority.
    rank BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tenant TEXT NOT NULL,
    priority BIGINT NOT NULL,
    -- What a worker must have.
    engine TEXT NOT NULL,
    ram_bytes BIGINT NOT NULL,
    -- What the worker is told, as JSON; the queue reads only the inputs that are known.
    spec TEXT NOT NULL,
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
    worker TEXT,
    lease_until_ms BIGINT,
    output TEXT,
    PRIMARY KEY (job, id)
);

CREATE INDEX tasks_ready ON tasks (priority DESC, rank, job, place) WHERE state = 'ready';
CREATE INDEX tasks_running ON tasks (lease_until_ms) WHERE state = 'running';
CREATE INDEX tasks_tenant ON tasks (tenant) WHERE state = 'running';

CREATE TABLE edges (
    job TEXT NOT NULL,
    parent TEXT NOT NULL,
    -- Place among the parent's inputs.
    slot BIGINT NOT NULL,
    child TEXT NOT NULL,
    PRIMARY KEY (job, parent, slot)
);

CREATE INDEX edges_child ON edges (job, child);

-- What became of each start; written once when it ends.
CREATE TABLE attempts (
    job TEXT NOT NULL,
    task TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    worker TEXT NOT NULL,
    ended_ms BIGINT NOT NULL,
    -- done, retry, bad_proof, failed, expired, released.
    outcome TEXT NOT NULL,
    detail TEXT,
    PRIMARY KEY (job, task, attempt)
);

-- Running tasks that a tenant may have at once; none means no limit.
CREATE TABLE tenants (
    name TEXT NOT NULL PRIMARY KEY,
    running_max BIGINT NOT NULL
);
