"""What a client makes of a table's history, through a host's catalog.

    history.py HOST_URL age NAMESPACE.TABLE [ACCESS_KEY SECRET_KEY]   makes all that was done to a table ten days older
    history.py HOST_URL rollback NAMESPACE.TABLE SNAPSHOT [ACCESS_KEY SECRET_KEY]   makes an older snapshot the current one

Needs: pyiceberg[pyarrow].
"""

import json
import sys

from pyiceberg.catalog import load_catalog

TEN_DAYS = 10 * 24 * 3600 * 1000


def attached(url: str, access_key: str = "", secret_key: str = ""):
    keys = {"s3.access-key-id": access_key, "s3.secret-access-key": secret_key} if access_key else {}
    return load_catalog("asgard", **{"type": "rest", "uri": f"{url}/iceberg", **keys})


def age(url: str, name: str, *keys: str) -> None:
    """The host keeps what is younger than an hour, and a test has no hour."""
    catalog = attached(url, *keys)
    table = catalog.load_table(name)
    with table.io.new_input(table.metadata_location).open() as file:
        metadata = json.loads(file.read())
    metadata["last-updated-ms"] -= TEN_DAYS
    for entry in metadata["snapshots"] + metadata["snapshot-log"] + metadata["metadata-log"]:
        entry["timestamp-ms"] -= TEN_DAYS
    aged = f"{table.location()}/metadata/99999-{metadata['table-uuid']}.metadata.json"
    with table.io.new_output(aged).create() as file:
        file.write(json.dumps(metadata).encode())
    catalog.drop_table(name)
    catalog.register_table(name, aged)


def rollback(url: str, name: str, snapshot: str, *keys: str) -> None:
    attached(url, *keys).load_table(name).manage_snapshots().rollback_to_snapshot(int(snapshot)).commit()


if __name__ == "__main__":
    step = {function.__name__: function for function in (age, rollback)}
    step[sys.argv[2]](sys.argv[1], *sys.argv[3:])
