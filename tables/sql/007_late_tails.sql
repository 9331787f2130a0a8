-- Late plays are found in growing files too: how far each file, and each partition's log, was looked through.

ALTER TABLE lake_late ADD COLUMN next_offset bigint NOT NULL DEFAULT 0;
ALTER TABLE lake_searched ADD COLUMN seen bigint NOT NULL DEFAULT 0;
UPDATE lake_searched SET seen = next_offset;
