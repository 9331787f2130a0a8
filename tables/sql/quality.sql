-- Statements of tables/quality.py.

-- get_totals
SELECT region, window_kind, starts_at, plays FROM current_snapshots
WHERE source = 'livecharts' AND status = 'final' AND window_kind IN ('hour', 'day') AND starts_at >= $1

-- get_curated
SELECT starts_at, log_id, rows_out FROM lake_hours WHERE starts_at >= $1

-- get_first_curated
SELECT min(starts_at) FROM lake_jobs WHERE status = 'done' AND kind IN ('curate', 'replay')

-- put_look
INSERT INTO quality_looks (as_of, checks) VALUES ($1, $2)

-- forget_looks
DELETE FROM quality_looks WHERE looked_at < clock_timestamp() - make_interval(days => $1)

-- get_look
SELECT looked_at, as_of, checks FROM quality_looks ORDER BY looked_at DESC LIMIT 1
