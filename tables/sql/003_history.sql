-- The history: every chart once it is final, and the open ones as they stood when last looked at.
--
-- A snapshot is one row; the entries of a chart still open ride in it, so that rewriting it every half
-- minute touches one row. A final chart's entries are rows of their own, written once. Both tables are
-- cut by month of the window's start (tables/partitions.py makes the months and drops the old ones).

CREATE TABLE chart_snapshots (
    source text NOT NULL,
    region text NOT NULL,
    window_kind text NOT NULL CHECK (window_kind IN ('hour', 'day', 'week')),
    starts_at timestamptz NOT NULL,
    revision integer NOT NULL CHECK (revision >= 0),
    status text NOT NULL CHECK (status IN ('open', 'closing', 'final')),
    plays bigint NOT NULL,
    tracks bigint NOT NULL,
    -- Event time up to which everything was counted, and the rules it was judged by.
    as_of timestamptz NOT NULL,
    rules text NOT NULL,
    -- What a chart not yet final shows; null once its entries are rows.
    entries jsonb,
    reason text,
    taken_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (region, window_kind, starts_at, source, revision),
    CHECK ((status = 'final') = (entries IS NULL))
) PARTITION BY RANGE (starts_at);
CREATE INDEX chart_snapshots_open ON chart_snapshots (starts_at) WHERE status <> 'final';

CREATE TABLE chart_entries (
    source text NOT NULL,
    region text NOT NULL,
    window_kind text NOT NULL,
    starts_at timestamptz NOT NULL,
    revision integer NOT NULL,
    rank integer NOT NULL CHECK (rank > 0),
    track_id text NOT NULL,
    title text,
    artist text,
    plays bigint NOT NULL,
    previous_rank integer,
    peak_rank integer NOT NULL,
    windows_on_chart integer NOT NULL,
    movement text NOT NULL CHECK (movement IN ('up', 'down', 'same', 'new', 're-entry')),
    PRIMARY KEY (region, window_kind, starts_at, source, revision, rank)
) PARTITION BY RANGE (starts_at);
CREATE INDEX chart_entries_by_track ON chart_entries (track_id, window_kind, region, starts_at);

-- What the next chart needs to know of each track: its last entry, as it stands. It could be found in
-- chart_entries; here it outlives the months that are dropped, and is read in one sweep at start.
CREATE TABLE chart_standings (
    source text NOT NULL,
    region text NOT NULL,
    window_kind text NOT NULL,
    track_id text NOT NULL,
    starts_at timestamptz NOT NULL,
    rank integer NOT NULL,
    peak_rank integer NOT NULL,
    windows_on_chart integer NOT NULL,
    PRIMARY KEY (region, window_kind, source, track_id)
);
CREATE INDEX chart_standings_recent ON chart_standings (source, starts_at);

-- The revision each chart stands at.
CREATE VIEW current_snapshots AS
SELECT DISTINCT ON (region, window_kind, starts_at, source) *
FROM chart_snapshots
ORDER BY region, window_kind, starts_at, source, revision DESC;

-- Every entry of every chart as it stands, the open ones included.
CREATE VIEW current_entries AS
SELECT e.source, e.region, e.window_kind, e.starts_at, e.revision, e.rank, e.track_id, e.title, e.artist,
       e.plays, e.previous_rank, e.peak_rank, e.windows_on_chart, e.movement
FROM chart_entries AS e
WHERE NOT EXISTS (
    SELECT FROM chart_snapshots AS newer
    WHERE newer.region = e.region AND newer.window_kind = e.window_kind AND newer.starts_at = e.starts_at
      AND newer.source = e.source AND newer.revision > e.revision
)
UNION ALL
SELECT s.source, s.region, s.window_kind, s.starts_at, s.revision, o.rank, o.track_id, o.title, o.artist,
       o.plays, o.previous_rank, o.peak_rank, o.windows_on_chart, o.movement
FROM chart_snapshots AS s
CROSS JOIN LATERAL jsonb_to_recordset(s.entries) AS o(
    rank integer, track_id text, title text, artist text, plays bigint,
    previous_rank integer, peak_rank integer, windows_on_chart integer, movement text)
WHERE s.status <> 'final';

CREATE VIEW top_songs_hourly AS
SELECT region, starts_at AS "timestamp", coalesce(title, track_id) AS song, plays
FROM current_entries
WHERE source = 'livecharts' AND window_kind = 'hour';

CREATE VIEW top_songs_daily AS
SELECT region, (starts_at AT TIME ZONE 'UTC')::date AS date, coalesce(title, track_id) AS song, plays
FROM current_entries
WHERE source = 'livecharts' AND window_kind = 'day';

-- Charts of others that are fetched on a schedule.
CREATE TABLE chart_imports (
    source text NOT NULL,
    region text NOT NULL,
    window_kind text NOT NULL,
    format text NOT NULL CHECK (format IN ('apple', 'spotify')),
    address text NOT NULL,
    every_s integer NOT NULL CHECK (every_s >= 60),
    tried_at timestamptz,
    outcome text,
    PRIMARY KEY (source, region, window_kind)
);
