-- Statements of tables/external.py.

-- schedule
INSERT INTO chart_imports (source, region, window_kind, format, address, every_s)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (source, region, window_kind) DO UPDATE SET
    format = EXCLUDED.format, address = EXCLUDED.address, every_s = EXCLUDED.every_s, tried_at = NULL

-- unschedule
DELETE FROM chart_imports WHERE source = $1 AND region = $2 AND window_kind = $3

-- get_due
SELECT source, region, window_kind, format, address FROM chart_imports
WHERE tried_at IS NULL OR tried_at < now() - every_s * interval '1 second'
ORDER BY tried_at NULLS FIRST

-- note
UPDATE chart_imports SET outcome = $4, tried_at = now()
WHERE source = $1 AND region = $2 AND window_kind = $3 AND format = $5 AND address = $6

-- list
SELECT source, region, window_kind, format, address, every_s, tried_at, outcome FROM chart_imports
ORDER BY source, region, window_kind
