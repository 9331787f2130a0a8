-- Statements of tables/history.py.

-- put_open
INSERT INTO chart_snapshots AS stored (
    source, region, window_kind, starts_at, revision, status, plays, tracks, as_of, rules, entries)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::int[], $6::text[], $7::bigint[], $8::bigint[],
    $9::timestamptz[], $10::text[], $11::jsonb[])
ON CONFLICT (region, window_kind, starts_at, source, revision) DO UPDATE SET
    status = EXCLUDED.status, plays = EXCLUDED.plays, tracks = EXCLUDED.tracks, as_of = EXCLUDED.as_of,
    rules = EXCLUDED.rules, entries = EXCLUDED.entries, taken_at = now()
WHERE stored.status <> 'final' AND stored.as_of <= EXCLUDED.as_of

-- put_final
INSERT INTO chart_snapshots AS stored (
    source, region, window_kind, starts_at, revision, status, plays, tracks, as_of, rules, entries, reason)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::int[], $6::text[], $7::bigint[], $8::bigint[],
    $9::timestamptz[], $10::text[], $11::jsonb[], $12::text[])
ON CONFLICT (region, window_kind, starts_at, source, revision) DO UPDATE SET
    status = EXCLUDED.status, plays = EXCLUDED.plays, tracks = EXCLUDED.tracks, as_of = EXCLUDED.as_of,
    rules = EXCLUDED.rules, entries = EXCLUDED.entries, reason = EXCLUDED.reason, taken_at = now()
WHERE stored.status <> 'final'

-- make_staging
CREATE TEMPORARY TABLE staged_entries (LIKE chart_entries) ON COMMIT DROP

-- put_entries
INSERT INTO chart_entries SELECT * FROM staged_entries
ON CONFLICT (region, window_kind, starts_at, source, revision, rank) DO NOTHING

-- raise_standings
INSERT INTO chart_standings AS stored
SELECT source, region, window_kind, track_id, starts_at, rank, peak_rank, windows_on_chart FROM staged_entries
ON CONFLICT (region, window_kind, source, track_id) DO UPDATE SET
    starts_at = EXCLUDED.starts_at, rank = EXCLUDED.rank, peak_rank = EXCLUDED.peak_rank,
    windows_on_chart = EXCLUDED.windows_on_chart
WHERE stored.starts_at < EXCLUDED.starts_at

-- remake_standings
WITH touched AS (
    SELECT DISTINCT region, track_id FROM chart_entries
    WHERE source = $1 AND window_kind = $2 AND starts_at = $3 AND region = ANY($4)
), last AS (
    SELECT touched.region, touched.track_id, entry.*
    FROM touched LEFT JOIN LATERAL (
        SELECT e.starts_at, e.rank, e.peak_rank, e.windows_on_chart FROM chart_entries AS e
        WHERE e.track_id = touched.track_id AND e.window_kind = $2 AND e.region = touched.region AND e.source = $1
          AND NOT EXISTS (
            SELECT FROM chart_snapshots AS newer
            WHERE newer.region = e.region AND newer.window_kind = e.window_kind AND newer.starts_at = e.starts_at
              AND newer.source = e.source AND newer.revision > e.revision)
        ORDER BY e.starts_at DESC LIMIT 1
    ) AS entry ON true
), gone AS (
    DELETE FROM chart_standings AS stored USING last
    WHERE stored.source = $1 AND stored.window_kind = $2 AND stored.region = last.region
      AND stored.track_id = last.track_id AND last.starts_at IS NULL
)
INSERT INTO chart_standings
SELECT $1, region, $2, track_id, starts_at, rank, peak_rank, windows_on_chart FROM last
WHERE starts_at IS NOT NULL
ON CONFLICT (region, window_kind, source, track_id) DO UPDATE SET
    starts_at = EXCLUDED.starts_at, rank = EXCLUDED.rank, peak_rank = EXCLUDED.peak_rank,
    windows_on_chart = EXCLUDED.windows_on_chart

-- get_standings
SELECT stored.region, stored.track_id, stored.starts_at, stored.rank, stored.peak_rank, stored.windows_on_chart
FROM unnest($3::text[], $4::text[]) AS wanted(region, track_id)
JOIN chart_standings AS stored USING (region, track_id)
WHERE stored.source = $1 AND stored.window_kind = $2

-- get_earlier_standings
SELECT wanted.region, wanted.track_id, entry.*
FROM unnest($3::text[], $4::text[]) AS wanted(region, track_id)
CROSS JOIN LATERAL (
    SELECT e.starts_at, e.rank, e.peak_rank, e.windows_on_chart FROM chart_entries AS e
    WHERE e.track_id = wanted.track_id AND e.window_kind = $2 AND e.region = wanted.region AND e.source = $1
      AND e.starts_at < $5
      AND NOT EXISTS (
        SELECT FROM chart_snapshots AS newer
        WHERE newer.region = e.region AND newer.window_kind = e.window_kind AND newer.starts_at = e.starts_at
          AND newer.source = e.source AND newer.revision > e.revision)
    ORDER BY e.starts_at DESC LIMIT 1
) AS entry

-- get_recent_standings
SELECT region, window_kind, track_id, starts_at, rank, peak_rank, windows_on_chart
FROM chart_standings WHERE source = $1 AND starts_at >= $2
ORDER BY starts_at DESC LIMIT $3

-- get_window_standings
SELECT region, window_kind, track_id, starts_at, rank, peak_rank, windows_on_chart
FROM chart_standings WHERE source = $1 AND starts_at = $2 AND window_kind = $3

-- collect_unknown
INSERT INTO unknown_tracks AS known (track_id, title, artist, plays)
SELECT staged.track_id, max(staged.title), max(staged.artist), sum(staged.plays)
FROM staged_entries AS staged
WHERE NOT EXISTS (SELECT FROM tracks WHERE tracks.track_id = staged.track_id)
GROUP BY staged.track_id
ORDER BY staged.track_id
ON CONFLICT (track_id) DO UPDATE SET
    title = coalesce(EXCLUDED.title, known.title), artist = coalesce(EXCLUDED.artist, known.artist),
    plays = known.plays + EXCLUDED.plays, last_seen = now()

-- get_snapshot
SELECT * FROM chart_snapshots
WHERE region = $1 AND window_kind = $2 AND starts_at = $3 AND source = $4
  AND ($5::timestamptz IS NULL OR taken_at <= $5)
ORDER BY revision DESC LIMIT 1

-- get_entries
SELECT rank, track_id, title, artist, plays, previous_rank, peak_rank, windows_on_chart, movement
FROM chart_entries
WHERE region = $1 AND window_kind = $2 AND starts_at = $3 AND source = $4 AND revision = $5
ORDER BY rank

-- get_finals
SELECT DISTINCT region FROM chart_snapshots
WHERE source = $1 AND window_kind = $2 AND starts_at = $3 AND status = 'final'

-- get_open_weeks
SELECT DISTINCT starts_at FROM chart_snapshots
WHERE source = $1 AND window_kind = 'week' AND status <> 'final'
UNION
SELECT DISTINCT date_trunc('week', starts_at, 'UTC') FROM chart_snapshots AS day
WHERE source = $1 AND window_kind = 'day' AND status = 'final' AND starts_at >= $2
  -- The week's own month may have been dropped, with some of its days.
  AND date_trunc('week', starts_at, 'UTC') >= (
    SELECT date_trunc('month', min(starts_at), 'UTC') FROM chart_snapshots
    WHERE source = $1 AND window_kind = 'day' AND starts_at >= $2)
  AND NOT EXISTS (
    SELECT FROM chart_snapshots AS week
    WHERE week.source = $1 AND week.window_kind = 'week' AND week.region = day.region
      AND week.starts_at = date_trunc('week', day.starts_at, 'UTC'))
ORDER BY starts_at

-- get_last_final
SELECT max(starts_at) FROM chart_snapshots WHERE source = $1 AND window_kind = $2 AND status = 'final'

-- get_latest
SELECT max(starts_at) FROM chart_snapshots
WHERE region = $1 AND window_kind = $2 AND source = $3 AND starts_at <= $4

-- get_places
SELECT DISTINCT region, window_kind, max(starts_at) AS starts_at FROM chart_snapshots
WHERE source = $1 GROUP BY region, window_kind ORDER BY region, window_kind

-- knows_region
SELECT EXISTS (SELECT FROM chart_snapshots WHERE region = $1)

-- get_track
SELECT region, window_kind, starts_at, rank, plays, previous_rank, peak_rank, windows_on_chart, movement
FROM current_entries
WHERE track_id = $1 AND region = $2 AND window_kind = $3 AND source = $4 AND starts_at >= $5 AND starts_at < $6
ORDER BY starts_at DESC LIMIT $7

-- sum_days
SELECT region, sum(plays) AS plays, max(as_of) AS as_of, max(rules) AS rules
FROM current_snapshots
WHERE source = $1 AND window_kind = 'day' AND status = 'final' AND starts_at >= $2 AND starts_at < $3
GROUP BY region ORDER BY region

-- sum_day_entries
SELECT entry.region, entry.track_id, sum(entry.plays) AS plays, max(entry.title) AS title,
       max(entry.artist) AS artist
FROM current_snapshots AS snapshot
JOIN chart_entries AS entry USING (region, window_kind, starts_at, source, revision)
WHERE snapshot.source = $1 AND snapshot.window_kind = 'day' AND snapshot.status = 'final'
  AND snapshot.starts_at >= $2 AND snapshot.starts_at < $3
  AND entry.starts_at >= $2 AND entry.starts_at < $3
GROUP BY entry.region, entry.track_id
