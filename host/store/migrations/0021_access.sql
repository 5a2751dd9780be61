CREATE TABLE access_tokens (
    id TEXT NOT NULL PRIMARY KEY,
    -- One token of a name is valid at a time; revoked ones keep theirs.
    name TEXT NOT NULL,
    -- SHA-256 of the token, as hexadecimal digits.
    digest TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    -- A JSON list of names; none = all.
    environments TEXT,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX access_tokens_name ON access_tokens (name);

-- Rows are added and, when they are too old or too many, removed; never changed.
CREATE TABLE audit_trail (
    -- UUIDv7: later entries have greater ids.
    id TEXT NOT NULL PRIMARY KEY,
    time BIGINT NOT NULL,
    who TEXT NOT NULL,
    -- The token's id; none for other callers.
    token_id TEXT,
    method TEXT NOT NULL,
    route TEXT NOT NULL,
    path TEXT NOT NULL,
    -- None: the request was about the host as a whole.
    environment TEXT,
    -- The id of what it made.
    subject TEXT,
    outcome TEXT NOT NULL,
    -- HTTP status; none when the client did not wait for it.
    status BIGINT
);
CREATE INDEX audit_trail_time ON audit_trail (time);
CREATE INDEX audit_trail_who ON audit_trail (who, id);
CREATE INDEX audit_trail_environment ON audit_trail (environment, id);
