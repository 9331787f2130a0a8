-- Statements of tables/analytics.py. Times are windows' starts, half-open.

-- regions
SELECT region, sum(plays)::bigint AS plays FROM current_snapshots
WHERE source = $1 AND window_kind = 'day' AND region <> 'global' AND starts_at >= $2 AND starts_at < $3
GROUP BY region ORDER BY plays DESC, region

-- series
SELECT starts_at, plays, tracks, status FROM current_snapshots
WHERE source = $1 AND region = $4 AND window_kind = $5 AND starts_at >= $2 AND starts_at < $3
ORDER BY starts_at

-- popular_tracks
SELECT tracks.track_id, tracks.title, tracks.artist_id, artists.name AS artist, tracks.genre,
       tracks.popularity AS plays
FROM tracks LEFT JOIN artists USING (artist_id)
WHERE tracks.popularity > 0
ORDER BY tracks.popularity DESC, tracks.track_id LIMIT $1

-- popular_artists
SELECT artist_id, name, popularity AS plays FROM artists
WHERE popularity > 0 ORDER BY popularity DESC, artist_id LIMIT $1

-- genres
SELECT coalesce(genre, 'unknown') AS genre, count(*) AS tracks, sum(popularity)::bigint AS plays
FROM tracks WHERE popularity > 0
GROUP BY 1 ORDER BY plays DESC, genre LIMIT $1

-- track_regions
SELECT region, sum(plays)::bigint AS plays, min(rank) AS best_rank, count(*) AS windows FROM current_entries
WHERE track_id = ANY($4) AND source = $1 AND window_kind = 'day' AND region <> 'global'
  AND starts_at >= $2 AND starts_at < $3
GROUP BY region ORDER BY plays DESC, region

-- track_series
SELECT starts_at, sum(plays)::bigint AS plays, min(rank) AS best_rank FROM current_entries
WHERE track_id = ANY($4) AND source = $1 AND window_kind = $5 AND region = 'global'
  AND starts_at >= $2 AND starts_at < $3
GROUP BY starts_at ORDER BY starts_at

-- track_bests
SELECT region, window_kind, min(peak_rank) AS peak_rank, max(windows_on_chart) AS windows_on_chart
FROM chart_standings
WHERE track_id = ANY($2) AND source = $1
GROUP BY region, window_kind ORDER BY peak_rank, region, window_kind

-- latest
SELECT max(starts_at) FROM chart_snapshots WHERE source = $1 AND window_kind IN ('hour', 'day')

-- artist_tracks
SELECT track_id FROM tracks WHERE artist_id = $1 ORDER BY popularity DESC, track_id LIMIT $2
