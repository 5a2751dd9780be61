-- Every manifest that bytes were registered with: the same component may be two versions, or two plugins.
CREATE TABLE plugin_manifests (
    digest TEXT NOT NULL REFERENCES plugin_components (digest),
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    manifest TEXT NOT NULL,
    registered_at BIGINT NOT NULL,
    PRIMARY KEY (digest, name, version)
);
INSERT INTO plugin_manifests (digest, name, version, manifest, registered_at)
    SELECT digest, name, version, manifest, registered_at FROM plugins;
