-- How far a scrobbler has imported somebody's listens, seconds since 1970.
ALTER TABLE users ADD COLUMN latest_import bigint NOT NULL DEFAULT 0;
