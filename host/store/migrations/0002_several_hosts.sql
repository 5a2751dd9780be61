-- A yes or no is 0 or 1: the only form that both databases give back alike.
ALTER TABLE tasks ADD COLUMN cancelling BIGINT NOT NULL DEFAULT 0;
UPDATE tasks SET cancelling = 1 WHERE cancel_requested;
ALTER TABLE tasks DROP COLUMN cancel_requested;
ALTER TABLE tasks RENAME COLUMN cancelling TO cancel_requested;
