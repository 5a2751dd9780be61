-- What tells this database from others where several leave their marks, such as in a Kubernetes cluster.
CREATE TABLE installation (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL
);
