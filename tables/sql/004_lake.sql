-- What was done to the lake: one row per job, the basis of every curated hour, and where late plays lie.

CREATE TABLE lake_jobs (
    job_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('curate', 'replay', 'week')),
    -- The hour, or the week, it worked on.
    starts_at timestamptz NOT NULL,
    status text NOT NULL CHECK (status IN ('running', 'done', 'failed')),
    -- Which plays the hour holds: of which log, by which thresholds (null: as the stream judged them), with
    -- those that came too late, as far as the raw zone went (log → partition → next offset).
    log_id text NOT NULL,
    rules jsonb,
    late boolean NOT NULL DEFAULT false,
    through jsonb,
    rows_in bigint,
    rows_out bigint,
    files integer,
    bytes bigint,
    seconds double precision,
    reason text,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz
);
CREATE INDEX lake_jobs_by_hour ON lake_jobs (starts_at, job_id DESC) WHERE status = 'done';
CREATE INDEX lake_jobs_recent ON lake_jobs (started_at DESC);

-- The basis every hour stands on: its last job.
CREATE VIEW lake_hours AS
SELECT DISTINCT ON (starts_at) *
FROM lake_jobs
WHERE status = 'done' AND kind IN ('curate', 'replay')
ORDER BY starts_at, job_id DESC;

-- Late plays by the day they were played: which raw files hold them. Can be found again from the files.
CREATE TABLE lake_late (
    key text NOT NULL,
    log_id text NOT NULL,
    day date NOT NULL,
    rows bigint NOT NULL,
    -- When a revision took them in; null until then.
    taken_at timestamptz,
    PRIMARY KEY (day, key)
);

-- How far each partition's raw files were searched for late plays.
CREATE TABLE lake_searched (
    log_id text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    hour timestamptz NOT NULL,
    PRIMARY KEY (log_id, partition)
);
