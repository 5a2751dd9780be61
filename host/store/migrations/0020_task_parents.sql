-- Which piece of other work a task is a part of. There is one task of a parent, however often it is asked for.
ALTER TABLE tasks ADD COLUMN parent TEXT;
CREATE UNIQUE INDEX tasks_parent ON tasks (parent) WHERE parent IS NOT NULL;
