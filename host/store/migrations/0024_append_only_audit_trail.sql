-- Up to which entry the old end of the trail may be removed. Retention moves it, forwards only.
CREATE TABLE audit_trail_end (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL
);
INSERT INTO audit_trail_end (one, id) VALUES (1, '');

-- PostgreSQL's form of what follows is in `postgres/0024_append_only_audit_trail.sql`.
CREATE TRIGGER audit_trail_unchanged BEFORE UPDATE ON audit_trail
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only: no entry is changed');
END;
CREATE TRIGGER audit_trail_kept BEFORE DELETE ON audit_trail
WHEN OLD.id > (SELECT id FROM audit_trail_end)
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only: no entry is removed but by retention, at the old end');
END;
-- `INSERT OR REPLACE` removes a row without asking the trigger of removals.
CREATE TRIGGER audit_trail_not_replaced BEFORE INSERT ON audit_trail
WHEN EXISTS (SELECT 1 FROM audit_trail WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only: no entry is replaced');
END;
CREATE TRIGGER audit_trail_end_forwards BEFORE UPDATE ON audit_trail_end
WHEN NEW.id < OLD.id
BEGIN
    SELECT RAISE(ABORT, 'the end of the audit trail moves forwards only');
END;
CREATE TRIGGER audit_trail_end_kept BEFORE DELETE ON audit_trail_end
BEGIN
    SELECT RAISE(ABORT, 'the end of the audit trail moves forwards only');
END;
