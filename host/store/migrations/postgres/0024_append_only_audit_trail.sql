CREATE TABLE audit_trail_end (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL
);
INSERT INTO audit_trail_end (one, id) VALUES (1, '');

CREATE FUNCTION refuse_for_audit_trail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation';
END;
$$;
CREATE FUNCTION keep_audit_trail() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    passed BOOLEAN;
BEGIN
    -- By its full name: the session of another program need not have this schema in its search path.
    EXECUTE format('SELECT id >= $1 FROM %I.audit_trail_end', TG_TABLE_SCHEMA) INTO passed USING OLD.id;
    IF passed IS NOT TRUE THEN
        RAISE EXCEPTION 'the audit trail is append-only: no entry is removed but by retention, at the old end'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN OLD;
END;
$$;
CREATE TRIGGER audit_trail_unchanged BEFORE UPDATE ON audit_trail FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_for_audit_trail('the audit trail is append-only: no entry is changed');
CREATE TRIGGER audit_trail_kept BEFORE DELETE ON audit_trail FOR EACH ROW EXECUTE FUNCTION keep_audit_trail();
CREATE TRIGGER audit_trail_not_emptied BEFORE TRUNCATE ON audit_trail FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_for_audit_trail('the audit trail is append-only: it is not emptied');
CREATE TRIGGER audit_trail_end_forwards BEFORE UPDATE ON audit_trail_end FOR EACH ROW WHEN (NEW.id < OLD.id)
    EXECUTE FUNCTION refuse_for_audit_trail('the end of the audit trail moves forwards only');
CREATE TRIGGER audit_trail_end_kept BEFORE DELETE OR TRUNCATE ON audit_trail_end FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_for_audit_trail('the end of the audit trail moves forwards only');
