-- The host that had the task last: what its steps left running there is not begun anew elsewhere without need.
ALTER TABLE tasks ADD COLUMN last_host TEXT;
