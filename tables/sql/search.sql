-- Statements of tables/search.py. One arm per table, each bounded before anything is joined or sorted.
--
-- get_variants
SELECT DISTINCT word FROM search_variants WHERE variant = ANY($1)

-- match_words
WITH hits AS (
(SELECT 'track' AS kind, track_id AS id, title AS name, plain, popularity,
        artist_id AS artist_id
 FROM tracks WHERE popularity > 0 AND words @@ $1::tsquery ORDER BY popularity DESC LIMIT $2)
UNION ALL
(SELECT 'track', track_id, title, plain, popularity, artist_id
 FROM tracks WHERE words @@ $1::tsquery LIMIT $2)
UNION ALL
(SELECT 'artist' AS kind, artist_id AS id, name AS name, plain, popularity,
        NULL::text AS artist_id
 FROM artists WHERE popularity > 0 AND words @@ $1::tsquery ORDER BY popularity DESC LIMIT $2)
UNION ALL
(SELECT 'artist', artist_id, name, plain, popularity, NULL::text
 FROM artists WHERE words @@ $1::tsquery LIMIT $2)
UNION ALL
(SELECT 'album' AS kind, album_id AS id, title AS name, plain, popularity,
        artist_id AS artist_id
 FROM albums WHERE popularity > 0 AND words @@ $1::tsquery ORDER BY popularity DESC LIMIT $2)
UNION ALL
(SELECT 'album', album_id, title, plain, popularity, artist_id
 FROM albums WHERE words @@ $1::tsquery LIMIT $2)
)
SELECT DISTINCT ON (hits.kind, hits.id) hits.kind, hits.id, hits.name, hits.plain, hits.popularity, hits.artist_id,
       artists.name AS artist, artists.plain AS artist_plain
FROM hits LEFT JOIN artists ON artists.artist_id = hits.artist_id

-- match_prefix
WITH hits AS (
(SELECT 'track' AS kind, track_id AS id, title AS name, plain, popularity,
        artist_id AS artist_id
 FROM tracks WHERE popularity > 0 AND plain ~>=~ $1 AND plain ~<~ $2 ORDER BY popularity DESC LIMIT $3)
UNION ALL
(SELECT 'track', track_id, title, plain, popularity, artist_id
 FROM tracks WHERE plain ~>=~ $1 AND plain ~<~ $2 ORDER BY plain USING ~<~ LIMIT $3)
UNION ALL
(SELECT 'artist' AS kind, artist_id AS id, name AS name, plain, popularity,
        NULL::text AS artist_id
 FROM artists WHERE popularity > 0 AND plain ~>=~ $1 AND plain ~<~ $2 ORDER BY popularity DESC LIMIT $3)
UNION ALL
(SELECT 'artist', artist_id, name, plain, popularity, NULL::text
 FROM artists WHERE plain ~>=~ $1 AND plain ~<~ $2 ORDER BY plain USING ~<~ LIMIT $3)
UNION ALL
(SELECT 'album' AS kind, album_id AS id, title AS name, plain, popularity,
        artist_id AS artist_id
 FROM albums WHERE popularity > 0 AND plain ~>=~ $1 AND plain ~<~ $2 ORDER BY popularity DESC LIMIT $3)
UNION ALL
(SELECT 'album', album_id, title, plain, popularity, artist_id
 FROM albums WHERE plain ~>=~ $1 AND plain ~<~ $2 ORDER BY plain USING ~<~ LIMIT $3)
)
SELECT DISTINCT ON (hits.kind, hits.id) hits.kind, hits.id, hits.name, hits.plain, hits.popularity, hits.artist_id,
       artists.name AS artist, artists.plain AS artist_plain
FROM hits LEFT JOIN artists ON artists.artist_id = hits.artist_id
