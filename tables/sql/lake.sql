-- Statements of tables/jobs.py and tables/late.py.

-- start_job
INSERT INTO lake_jobs (kind, starts_at, status, log_id, rules, late, through, reason)
VALUES ($1, $2, 'running', $3, $4, $5, $6, $7) RETURNING job_id

-- finish_job
UPDATE lake_jobs SET status = 'done', rows_in = $2, rows_out = $3, files = $4, bytes = $5, seconds = $6,
    finished_at = clock_timestamp()
WHERE job_id = $1

-- fail_job
UPDATE lake_jobs SET status = 'failed', reason = $2, seconds = $3, finished_at = clock_timestamp()
WHERE job_id = $1

-- get_hour
SELECT * FROM lake_hours WHERE starts_at = $1

-- get_hours
SELECT starts_at FROM lake_hours WHERE starts_at >= $1 AND starts_at < $2 ORDER BY starts_at

-- get_stale_weeks
SELECT starts_at FROM (
    SELECT date_trunc('week', starts_at, 'UTC') AS starts_at, max(finished_at) AS changed_at
    FROM lake_hours GROUP BY 1
    UNION ALL
    -- Summed by whoever writes the history, and never counted.
    SELECT starts_at, '-infinity' FROM chart_snapshots
    WHERE source = 'livecharts' AND window_kind = 'week' AND status <> 'final'
) AS weeks
GROUP BY starts_at
HAVING NOT EXISTS (
    SELECT FROM lake_jobs
    WHERE kind = 'week' AND status = 'done' AND lake_jobs.starts_at = weeks.starts_at
      AND lake_jobs.started_at > max(weeks.changed_at))
ORDER BY starts_at

-- get_charted_hours
SELECT DISTINCT starts_at FROM chart_snapshots
WHERE source = 'livecharts' AND window_kind = 'hour' AND status = 'final' AND starts_at >= $1 AND starts_at < $2

-- is_week_summed
SELECT count(*) > 0 AND bool_and(status <> 'open') FROM chart_snapshots
WHERE source = 'livecharts' AND window_kind = 'week' AND starts_at = $1

-- get_jobs
SELECT * FROM lake_jobs
WHERE ($1::text IS NULL OR kind = $1) AND ($2::text IS NULL OR status = $2)
ORDER BY job_id DESC LIMIT $3

-- get_tracks
SELECT tracks.track_id, tracks.title, artists.name AS artist, albums.title AS album, tracks.genre
FROM tracks
LEFT JOIN artists ON artists.artist_id = tracks.artist_id
LEFT JOIN albums ON albums.album_id = tracks.album_id
WHERE tracks.track_id = ANY($1)

-- get_revisions
SELECT region, max(revision) AS revision FROM chart_snapshots
WHERE source = 'livecharts' AND window_kind = 'hour' AND starts_at = $1 GROUP BY region

-- get_searched
SELECT partition, next_offset, hour, seen FROM lake_searched WHERE log_id = $1

-- put_searched
INSERT INTO lake_searched AS known (log_id, partition, next_offset, hour, seen) VALUES ($1, $2, $3, $4, $3)
ON CONFLICT (log_id, partition) DO UPDATE SET
    next_offset = EXCLUDED.next_offset, hour = EXCLUDED.hour, seen = greatest(known.seen, EXCLUDED.seen)
WHERE known.next_offset < EXCLUDED.next_offset

-- put_seen
INSERT INTO lake_searched AS known (log_id, partition, next_offset, hour, seen) VALUES ($1, $2, 0, $4, $3)
ON CONFLICT (log_id, partition) DO UPDATE SET seen = greatest(known.seen, EXCLUDED.seen)

-- put_late
INSERT INTO lake_late AS known (key, log_id, day, rows, next_offset) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (day, key) DO UPDATE SET
    rows = EXCLUDED.rows, next_offset = EXCLUDED.next_offset,
    taken_at = CASE WHEN known.rows = EXCLUDED.rows THEN known.taken_at END
WHERE known.next_offset < EXCLUDED.next_offset

-- get_late
SELECT log_id, key, next_offset FROM lake_late WHERE day = $1 ORDER BY log_id, key

-- get_late_days
SELECT day FROM lake_late
WHERE taken_at IS NULL AND EXISTS (
    SELECT FROM chart_snapshots
    WHERE source = 'livecharts' AND window_kind = 'day' AND status = 'final'
      AND starts_at = lake_late.day::timestamp AT TIME ZONE 'UTC')
GROUP BY day ORDER BY day LIMIT $1

-- take_late
UPDATE lake_late SET taken_at = clock_timestamp()
FROM unnest($2::text[], $3::bigint[]) AS taken(key, next_offset)
WHERE day = $1 AND lake_late.key = taken.key AND lake_late.next_offset = taken.next_offset

-- get_published
SELECT region, window_kind, starts_at, revision, plays, tracks FROM current_snapshots
WHERE source = 'livecharts' AND status = 'final' AND window_kind = ANY($1) AND starts_at >= $2 AND starts_at < $3
ORDER BY starts_at, window_kind, region

-- get_published_entries
SELECT region, window_kind, starts_at, revision, rank, track_id, plays FROM chart_entries
WHERE source = 'livecharts' AND window_kind = ANY($1) AND starts_at >= $2 AND starts_at < $3
ORDER BY starts_at, window_kind, region, revision, rank

-- get_published_span
SELECT min(starts_at), max(starts_at) FROM chart_snapshots WHERE source = 'livecharts' AND status = 'final'
