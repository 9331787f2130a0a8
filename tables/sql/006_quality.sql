-- What the quality monitor found, look by look: name → what was at fault.

CREATE TABLE quality_looks (
    looked_at timestamptz PRIMARY KEY DEFAULT clock_timestamp(),
    as_of timestamptz NOT NULL,
    checks jsonb NOT NULL
);
