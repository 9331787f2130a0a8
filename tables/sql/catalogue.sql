-- Statements of the catalogue: tables/catalogue.py, tables/names.py, tables/popularity.py.
--
-- Each of get, list, insert, update and delete takes and gives the same columns for its table; folded
-- names come in as parameters, because charts/plain.py alone folds.

-- get_names
SELECT tracks.track_id, tracks.title, artists.name AS artist
FROM tracks LEFT JOIN artists USING (artist_id)
WHERE tracks.track_id = ANY($1)

-- get_tracks
SELECT tracks.track_id, tracks.title, tracks.artist_id, artists.name AS artist, tracks.album_id,
       albums.title AS album, tracks.genre, tracks.duration_ms, tracks.isrc, tracks.release_date,
       coalesce(tracks.cover_url, albums.cover_url) AS cover_url, tracks.popularity, tracks.revision,
       tracks.updated_at
FROM tracks LEFT JOIN artists USING (artist_id) LEFT JOIN albums USING (album_id)
WHERE tracks.track_id = $1

-- get_albums
SELECT albums.album_id, albums.title, albums.artist_id, artists.name AS artist, albums.release_date,
       albums.cover_url, albums.popularity, albums.revision, albums.updated_at
FROM albums LEFT JOIN artists USING (artist_id)
WHERE albums.album_id = $1

-- get_artists
SELECT artist_id, name, popularity, revision, updated_at FROM artists WHERE artist_id = $1

-- list_tracks
SELECT tracks.track_id, tracks.title, tracks.artist_id, artists.name AS artist, tracks.album_id,
       albums.title AS album, tracks.genre, tracks.duration_ms, tracks.isrc, tracks.release_date,
       coalesce(tracks.cover_url, albums.cover_url) AS cover_url, tracks.popularity, tracks.revision,
       tracks.updated_at
FROM tracks LEFT JOIN artists USING (artist_id) LEFT JOIN albums USING (album_id)
WHERE tracks.track_id > $1 AND ($3::text IS NULL OR tracks.artist_id = $3)
ORDER BY tracks.track_id LIMIT $2

-- list_albums
SELECT albums.album_id, albums.title, albums.artist_id, artists.name AS artist, albums.release_date,
       albums.cover_url, albums.popularity, albums.revision, albums.updated_at
FROM albums LEFT JOIN artists USING (artist_id)
WHERE albums.album_id > $1 AND ($3::text IS NULL OR albums.artist_id = $3)
ORDER BY albums.album_id LIMIT $2

-- list_artists
SELECT artist_id, name, popularity, revision, updated_at FROM artists
WHERE artist_id > $1 AND ($3::text IS NULL OR artist_id = $3)
ORDER BY artist_id LIMIT $2

-- get_unknown
SELECT track_id, title, artist FROM unknown_tracks WHERE track_id = $1

-- list_unknown
-- A chart that was collected beside the import that names its tracks may not have seen them.
SELECT track_id, title, artist, plays, first_seen, last_seen FROM unknown_tracks AS charted
WHERE track_id > $1 AND NOT EXISTS (SELECT FROM tracks WHERE tracks.track_id = charted.track_id)
ORDER BY track_id LIMIT $2

-- insert_tracks
INSERT INTO tracks (
    track_id, title, artist_id, album_id, genre, duration_ms, isrc, release_date, cover_url, plain, words)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, array_to_tsvector($11::text[]))

-- insert_albums
INSERT INTO albums (album_id, title, artist_id, release_date, cover_url, plain, words)
VALUES ($1, $2, $3, $4, $5, $6, array_to_tsvector($7::text[]))

-- insert_artists
INSERT INTO artists (artist_id, name, plain, words) VALUES ($1, $2, $3, array_to_tsvector($4::text[]))

-- update_tracks
UPDATE tracks SET title = $2, artist_id = $3, album_id = $4, genre = $5, duration_ms = $6, isrc = $7,
    release_date = $8, cover_url = $9, plain = $10, words = array_to_tsvector($11::text[]),
    revision = revision + 1, updated_at = now()
WHERE track_id = $1

-- update_albums
UPDATE albums SET title = $2, artist_id = $3, release_date = $4, cover_url = $5, plain = $6,
    words = array_to_tsvector($7::text[]), revision = revision + 1, updated_at = now()
WHERE album_id = $1

-- update_artists
UPDATE artists SET name = $2, plain = $3, words = array_to_tsvector($4::text[]),
    revision = revision + 1, updated_at = now()
WHERE artist_id = $1

-- delete_tracks
DELETE FROM tracks WHERE track_id = $1

-- delete_albums
DELETE FROM albums WHERE album_id = $1

-- delete_artists
DELETE FROM artists WHERE artist_id = $1

-- lock_tracks
SELECT revision FROM tracks WHERE track_id = $1 FOR NO KEY UPDATE

-- lock_albums
SELECT revision FROM albums WHERE album_id = $1 FOR NO KEY UPDATE

-- lock_artists
SELECT revision FROM artists WHERE artist_id = $1 FOR NO KEY UPDATE

-- find_artist
SELECT artist_id, name FROM artists WHERE plain = $1 ORDER BY artist_id LIMIT 1

-- find_album
SELECT album_id, title FROM albums WHERE plain = $1 AND artist_id IS NOT DISTINCT FROM $2
ORDER BY album_id LIMIT 1

-- reword_albums
UPDATE albums SET words = array_to_tsvector(array_remove(string_to_array(
    concat_ws(' ', albums.plain, artists.plain), ' '), ''))
FROM albums AS now LEFT JOIN artists USING (artist_id)
WHERE now.album_id = albums.album_id AND (albums.artist_id = $1 OR albums.album_id = $1)

-- reword_tracks
UPDATE tracks SET words = array_to_tsvector(array_remove(string_to_array(
    concat_ws(' ', tracks.plain, artists.plain, albums.plain), ' '), ''))
FROM tracks AS now LEFT JOIN artists USING (artist_id) LEFT JOIN albums USING (album_id)
WHERE now.track_id = tracks.track_id AND (tracks.artist_id = $1 OR tracks.album_id = $1)

-- know_track
DELETE FROM unknown_tracks WHERE track_id = $1

-- learn_words
WITH new AS (
    INSERT INTO search_words
    SELECT DISTINCT word FROM unnest($1::text[]) AS word WHERE length(word) <= 32 ORDER BY word
    ON CONFLICT DO NOTHING RETURNING word
)
INSERT INTO search_variants
SELECT variant, word FROM (
    SELECT word AS variant, word FROM new WHERE length(word) >= 4
    UNION
    SELECT left(word, at - 1) || substr(word, at + 1), word
    FROM new, generate_series(1, length(word)) AS at WHERE length(word) >= 4
) AS variants
ORDER BY variant, word
ON CONFLICT DO NOTHING

-- make_staging
CREATE TEMPORARY TABLE staged_tracks (
    line bigint, track_id text, title text, artist_id text, artist text, album_id text, album text, genre text,
    duration_ms integer, isrc text, release_date date, cover_url text, plain text, artist_plain text,
    album_plain text
)

-- clear_staging
TRUNCATE staged_tracks

-- find_artists
SELECT plain, min(artist_id COLLATE "C") AS artist_id FROM artists WHERE plain = ANY($1) GROUP BY plain

-- find_albums
SELECT artist_id, plain, min(album_id COLLATE "C") AS album_id
FROM albums WHERE plain = ANY($1) GROUP BY artist_id, plain

-- insert_staged_artists
INSERT INTO artists (artist_id, name, plain, words)
SELECT DISTINCT ON (artist_id) artist_id, artist, artist_plain,
       array_to_tsvector(array_remove(string_to_array(artist_plain, ' '), ''))
FROM staged_tracks WHERE artist_id IS NOT NULL AND artist IS NOT NULL
ORDER BY artist_id, line
ON CONFLICT (artist_id) DO NOTHING

-- insert_staged_albums
INSERT INTO albums (album_id, title, artist_id, release_date, cover_url, plain, words)
SELECT DISTINCT ON (album_id) album_id, album, artist_id, release_date, cover_url, album_plain,
       array_to_tsvector(array_remove(string_to_array(
           concat_ws(' ', album_plain, coalesce(artist_plain, artists.plain)), ' '), ''))
FROM staged_tracks LEFT JOIN artists USING (artist_id)
WHERE album_id IS NOT NULL AND album IS NOT NULL AND (artist_id IS NULL OR artists.plain IS NOT NULL)
ORDER BY album_id, line
ON CONFLICT (album_id) DO NOTHING

-- drop_dangling
DELETE FROM staged_tracks AS staged
WHERE (artist_id IS NOT NULL AND NOT EXISTS (SELECT FROM artists WHERE artists.artist_id = staged.artist_id))
   OR (album_id IS NOT NULL AND NOT EXISTS (SELECT FROM albums WHERE albums.album_id = staged.album_id))
RETURNING line, artist_id, album_id

-- insert_staged_tracks
INSERT INTO tracks AS known (
    track_id, title, artist_id, album_id, genre, duration_ms, isrc, release_date, cover_url, plain, words)
SELECT DISTINCT ON (track_id)
    track_id, staged.title, staged.artist_id, album_id, genre, duration_ms, isrc, staged.release_date,
    staged.cover_url, staged.plain,
    array_to_tsvector(array_remove(string_to_array(
        concat_ws(' ', staged.plain, coalesce(artist_plain, artists.plain),
                  coalesce(album_plain, albums.plain)), ' '), ''))
FROM staged_tracks AS staged LEFT JOIN artists USING (artist_id) LEFT JOIN albums USING (album_id)
ORDER BY track_id, line DESC
ON CONFLICT (track_id) DO UPDATE SET
    title = EXCLUDED.title, artist_id = EXCLUDED.artist_id, album_id = EXCLUDED.album_id,
    genre = EXCLUDED.genre, duration_ms = EXCLUDED.duration_ms, isrc = EXCLUDED.isrc,
    release_date = EXCLUDED.release_date, cover_url = EXCLUDED.cover_url, plain = EXCLUDED.plain,
    words = EXCLUDED.words, revision = known.revision + 1, updated_at = now()
WHERE (known.title, known.artist_id, known.album_id, known.genre, known.duration_ms, known.isrc,
       known.release_date, known.cover_url)
   IS DISTINCT FROM
      (EXCLUDED.title, EXCLUDED.artist_id, EXCLUDED.album_id, EXCLUDED.genre, EXCLUDED.duration_ms,
       EXCLUDED.isrc, EXCLUDED.release_date, EXCLUDED.cover_url)

-- know_staged_tracks
DELETE FROM unknown_tracks USING staged_tracks WHERE unknown_tracks.track_id = staged_tracks.track_id

-- export_tracks
SELECT tracks.track_id, tracks.title, tracks.artist_id, artists.name AS artist, tracks.album_id,
       albums.title AS album, tracks.genre, tracks.duration_ms, tracks.isrc, tracks.release_date,
       tracks.cover_url
FROM tracks LEFT JOIN artists USING (artist_id) LEFT JOIN albums USING (album_id)
ORDER BY tracks.track_id

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
), locked AS (
    -- In the order in which an import takes them, so that neither waits for what the other waits for.
    SELECT track_id, coalesce(popular.plays, 0) AS plays
    FROM touched JOIN tracks USING (track_id) LEFT JOIN popular USING (track_id)
    WHERE tracks.popularity <> coalesce(popular.plays, 0)
    ORDER BY track_id FOR NO KEY UPDATE OF tracks
)
UPDATE tracks SET popularity = locked.plays FROM locked WHERE tracks.track_id = locked.track_id

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
