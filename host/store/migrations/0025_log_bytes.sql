-- How much of a task's log is kept.
ALTER TABLE tasks ADD COLUMN log_bytes BIGINT NOT NULL DEFAULT 0;
UPDATE tasks SET log_bytes = COALESCE(
    (SELECT SUM(OCTET_LENGTH(message)) FROM task_log WHERE task_log.task_id = tasks.id), 0
) WHERE finished_at IS NULL;

-- For retention.
CREATE INDEX tasks_finished ON tasks (finished_at) WHERE finished_at IS NOT NULL;
