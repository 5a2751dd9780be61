-- How a schedule reads its expression, and what it does about fires that were missed or come too soon.
ALTER TABLE schedules ADD COLUMN time_zone TEXT NOT NULL DEFAULT 'UTC';
ALTER TABLE schedules ADD COLUMN catch_up TEXT NOT NULL DEFAULT 'latest';
ALTER TABLE schedules ADD COLUMN overlap TEXT NOT NULL DEFAULT 'skip';
-- The moment of the expression that fired last: none fires twice, whatever the clock does.
ALTER TABLE schedules ADD COLUMN last_at BIGINT;

-- The plugin's name alone, as limits know it.
ALTER TABLE tasks ADD COLUMN backend TEXT;
-- 1: it does not begin before the older ones of its environment, kind and subject have ended.
ALTER TABLE tasks ADD COLUMN waits BIGINT NOT NULL DEFAULT 0;
