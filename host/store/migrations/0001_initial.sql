-- Times are milliseconds since 1970 in UTC. JSON is kept as text: SQLite and PostgreSQL agree on that.

CREATE TABLE resources (
    environment TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    -- Counts changes; an update names the one it read.
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (environment, kind, id),
    UNIQUE (environment, kind, name)
);
CREATE INDEX resources_newest ON resources (environment, kind, created_at);

CREATE TABLE environments (
    name TEXT NOT NULL PRIMARY KEY,
    -- The revision that is true now.
    revision BIGINT NOT NULL
);

CREATE TABLE environment_revisions (
    environment TEXT NOT NULL REFERENCES environments (name) ON DELETE CASCADE,
    revision BIGINT NOT NULL,
    document TEXT NOT NULL,
    author TEXT NOT NULL,
    note TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (environment, revision)
);

CREATE TABLE secrets (
    environment TEXT NOT NULL,
    name TEXT NOT NULL,
    -- Version byte, nonce, ciphertext.
    sealed BLOB NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (environment, name)
);

CREATE TABLE key_values (
    scope TEXT NOT NULL,
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (scope, bucket, key)
);

-- Components stay when a version gets other bytes: tasks name the digest that they started with.
CREATE TABLE plugin_components (
    digest TEXT NOT NULL PRIMARY KEY,
    manifest TEXT NOT NULL,
    component BLOB NOT NULL
);

CREATE TABLE plugins (
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    digest TEXT NOT NULL REFERENCES plugin_components (digest),
    manifest TEXT NOT NULL,
    registered_at BIGINT NOT NULL,
    PRIMARY KEY (name, version)
);

CREATE TABLE tasks (
    -- UUIDv7: newer tasks have greater ids.
    id TEXT NOT NULL PRIMARY KEY,
    environment TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT,
    plugin TEXT,
    request TEXT NOT NULL,
    state TEXT NOT NULL,
    status TEXT NOT NULL,
    progress TEXT,
    details TEXT NOT NULL,
    outcome TEXT,
    error TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    due_at BIGINT NOT NULL,
    cancel_requested BOOLEAN NOT NULL,
    -- Retries: in a row and since when, and in the task's whole life.
    failures BIGINT NOT NULL,
    failing_since BIGINT,
    retries BIGINT NOT NULL,
    lease_owner TEXT,
    lease_until BIGINT,
    -- Grows with every lease: the fence that refuses the writes of one who lost it.
    lease_token BIGINT NOT NULL
);
CREATE INDEX tasks_newest ON tasks (environment, kind, subject, id);
CREATE INDEX tasks_due ON tasks (due_at) WHERE finished_at IS NULL;

CREATE TABLE task_log (
    task_id TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    time BIGINT NOT NULL,
    level TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (task_id, position)
);

CREATE TABLE task_events (
    task_id TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    time BIGINT NOT NULL,
    kind TEXT NOT NULL,
    reason TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (task_id, position)
);

CREATE TABLE schedules (
    environment TEXT NOT NULL,
    id TEXT NOT NULL,
    cron TEXT NOT NULL,
    -- What is submitted when it fires.
    task TEXT NOT NULL,
    -- None: it never fires again.
    next_at BIGINT,
    PRIMARY KEY (environment, id)
);
CREATE INDEX schedules_due ON schedules (next_at);

CREATE TABLE idempotency_keys (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    -- None while the first request is under way.
    status BIGINT,
    content_type TEXT,
    body BLOB,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_keys_oldest ON idempotency_keys (created_at);
