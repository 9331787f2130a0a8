-- Statements of tables/catalogue.py and tables/names.py.

-- get_names
SELECT tracks.track_id, tracks.title, artists.name AS artist
FROM tracks LEFT JOIN artists USING (artist_id)
WHERE tracks.track_id = ANY($1)

-- raise_popularity
WITH popular AS (
    SELECT track_id, sum(plays) AS plays FROM current_entries
    WHERE source = 'livecharts' AND window_kind = 'day' AND region <> 'global'
      AND starts_at >= (
        SELECT max(starts_at) - interval '1 day' FROM chart_snapshots
        WHERE source = 'livecharts' AND window_kind = 'day' AND region = 'global')
    GROUP BY track_id
), touched AS (
    SELECT track_id FROM tracks WHERE popularity > 0 UNION SELECT track_id FROM popular
)
UPDATE tracks SET popularity = coalesce(popular.plays, 0)
FROM touched LEFT JOIN popular USING (track_id)
WHERE tracks.track_id = touched.track_id AND tracks.popularity <> coalesce(popular.plays, 0)

-- raise_artist_popularity
WITH popular AS (
    SELECT artist_id, sum(popularity) AS plays FROM tracks
    WHERE popularity > 0 AND artist_id IS NOT NULL GROUP BY artist_id
), touched AS (
    SELECT artist_id FROM artists WHERE popularity > 0 UNION SELECT artist_id FROM popular
)
UPDATE artists SET popularity = coalesce(popular.plays, 0)
FROM touched LEFT JOIN popular USING (artist_id)
WHERE artists.artist_id = touched.artist_id AND artists.popularity <> coalesce(popular.plays, 0)

-- raise_album_popularity
WITH popular AS (
    SELECT album_id, sum(popularity) AS plays FROM tracks
    WHERE popularity > 0 AND album_id IS NOT NULL GROUP BY album_id
), touched AS (
    SELECT album_id FROM albums WHERE popularity > 0 UNION SELECT album_id FROM popular
)
UPDATE albums SET popularity = coalesce(popular.plays, 0)
FROM touched LEFT JOIN popular USING (album_id)
WHERE albums.album_id = touched.album_id AND albums.popularity <> coalesce(popular.plays, 0)
