-- Processes that work on this database, and until when they are taken for alive.
CREATE TABLE lives (
    -- `HOST/LIFE`
    owner TEXT NOT NULL PRIMARY KEY,
    alive_until BIGINT NOT NULL
);

-- Which life works on the request.
ALTER TABLE idempotency_keys ADD COLUMN claimed_by TEXT NOT NULL DEFAULT '';
