-- The catalogue: artists, albums, tracks; what search needs; tracks the charts met without a name.
--
-- `plain` is the name without case, accents and punctuation, and `words` its words as a text search
-- vector; both are written by tables/plain.py, so that names and questions are folded by the same code.

CREATE TABLE artists (
    artist_id text PRIMARY KEY CHECK (artist_id <> ''),
    name text NOT NULL CHECK (name <> ''),
    plain text NOT NULL,
    words tsvector NOT NULL,
    popularity bigint NOT NULL DEFAULT 0,
    revision integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE albums (
    album_id text PRIMARY KEY CHECK (album_id <> ''),
    title text NOT NULL CHECK (title <> ''),
    artist_id text REFERENCES artists ON DELETE SET NULL,
    release_date date,
    cover_url text,
    plain text NOT NULL,
    words tsvector NOT NULL,
    popularity bigint NOT NULL DEFAULT 0,
    revision integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX albums_by_artist ON albums (artist_id, album_id);

CREATE TABLE tracks (
    track_id text PRIMARY KEY CHECK (track_id <> ''),
    title text NOT NULL CHECK (title <> ''),
    artist_id text REFERENCES artists ON DELETE SET NULL,
    album_id text REFERENCES albums ON DELETE SET NULL,
    genre text,
    duration_ms integer CHECK (duration_ms > 0),
    isrc text,
    release_date date,
    cover_url text,
    plain text NOT NULL,
    words tsvector NOT NULL,
    popularity bigint NOT NULL DEFAULT 0,
    revision integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX tracks_by_artist ON tracks (artist_id, track_id);
CREATE INDEX tracks_by_album ON tracks (album_id, track_id);

-- Prefixes compare byte by byte, whatever the database's collation.
CREATE INDEX artists_by_plain ON artists (plain text_pattern_ops);
CREATE INDEX albums_by_plain ON albums (plain text_pattern_ops);
CREATE INDEX tracks_by_plain ON tracks (plain text_pattern_ops);
CREATE INDEX artists_by_word ON artists USING gin (words);
CREATE INDEX albums_by_word ON albums USING gin (words);
CREATE INDEX tracks_by_word ON tracks USING gin (words);
-- The few that chart now are searched first: a common word then needs no sort of its thousands of hits.
CREATE INDEX artists_popular ON artists USING gin (words) WHERE popularity > 0;
CREATE INDEX albums_popular ON albums USING gin (words) WHERE popularity > 0;
CREATE INDEX tracks_popular ON tracks USING gin (words) WHERE popularity > 0;
CREATE INDEX artists_popular_plain ON artists (plain text_pattern_ops) WHERE popularity > 0;
CREATE INDEX albums_popular_plain ON albums (plain text_pattern_ops) WHERE popularity > 0;
CREATE INDEX tracks_popular_plain ON tracks (plain text_pattern_ops) WHERE popularity > 0;

-- Every word of the catalogue, and each again with one letter left out: two words that differ by one
-- typo (a letter more, less, other, or two swapped) share a variant, so a misspelt word is found by
-- equality. No extension is needed. Words are never taken out: a spare one finds nothing.
CREATE TABLE search_words (
    word text PRIMARY KEY
);
CREATE TABLE search_variants (
    variant text NOT NULL,
    word text NOT NULL,
    PRIMARY KEY (variant, word)
);

CREATE TABLE unknown_tracks (
    track_id text PRIMARY KEY,
    title text,
    artist text,
    plays bigint NOT NULL DEFAULT 0,
    first_seen timestamptz NOT NULL DEFAULT now(),
    last_seen timestamptz NOT NULL DEFAULT now()
);

-- Every worker keeps the names of charted tracks in memory and is told when to read them again. By
-- statement and without saying which: an import of a million rows is one message.
CREATE FUNCTION tell_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('names', '');
    RETURN NULL;
END $$;
CREATE TRIGGER tell_names AFTER INSERT OR DELETE OR UPDATE OF title, artist_id ON tracks
    FOR EACH STATEMENT EXECUTE FUNCTION tell_names();
CREATE TRIGGER tell_names AFTER UPDATE OF name ON artists
    FOR EACH STATEMENT EXECUTE FUNCTION tell_names();
