"""Feast on the rows that we have in our tables, in a repository of its own: the working folder.

prepare CATALOG JOINED ONLINE   copies the tables `gold.readings`, `gold.asked` and `gold.states`, by the catalog's file, and registers
                                views with so many features of the first and of the last
historical STORE                joins the features of `readings` to the rows of `asked` by an offline store, into a file, and prints the
                                seconds that it took with what was found, as JSON
materialise                     fills the online store with `states`
"""

import datetime
import json
import pathlib
import sqlite3
import sys
import time

step, *arguments = sys.argv[1:]
folder = pathlib.Path.cwd()


def settings(offline):
    # JSON is YAML.
    (folder / "feature_store.yaml").write_text(
        json.dumps(
            {
                "project": "bench",
                "provider": "local",
                "registry": str(folder / "registry.db"),
                "online_store": {"type": "sqlite", "path": str(folder / "online.db")},
                "offline_store": {"type": offline},
                "entity_key_serialization_version": 3,
            }
        )
    )


def copy(catalog, name):
    import duckdb

    with sqlite3.connect(catalog) as tables:
        query = "SELECT metadata_location FROM iceberg_tables WHERE table_namespace = 'gold' AND table_name = ?"
        (metadata,) = tables.execute(query, [name]).fetchone()
    # Each table was made by one commit: its files are all that there are.
    location = json.loads(pathlib.Path(metadata.removeprefix("file://")).read_text())["location"].removeprefix("file://")
    duckdb.sql(f"SET TimeZone = 'UTC'; COPY (SELECT * FROM '{location}/data/**/*.parquet') TO '{folder}/{name}.parquet'")


def store():
    from feast import FeatureStore

    return FeatureStore(repo_path=str(folder))


if step == "prepare":
    from feast import Entity, FeatureView, Field, FileSource, ValueType
    from feast.types import Float64

    catalog, joined, online = arguments[0], int(arguments[1]), int(arguments[2])
    settings("file")
    for table in ["readings", "asked", "states"]:
        copy(catalog, table)
    sensor = Entity(name="sensor", join_keys=["sensor"], value_type=ValueType.INT64)
    views = [
        FeatureView(
            name=name,
            entities=[sensor],
            ttl=datetime.timedelta(0),
            schema=[Field(name=f"f{at:02}", dtype=Float64) for at in range(1, count + 1)],
            online=name == "states",
            source=FileSource(name=name, path=f"{folder}/{name}.parquet", timestamp_field="seen"),
        )
        for name, count in [("readings", joined), ("states", online)]
    ]
    store().apply([sensor, *views])
elif step == "historical":
    import pyarrow.compute as compute
    import pyarrow.parquet as parquet

    settings(arguments[0])
    feast = store()
    features = [f"readings:{field.name}" for field in feast.get_feature_view("readings").features]
    start = time.monotonic()
    asked = parquet.read_table("asked.parquet").to_pandas()
    rows = feast.get_historical_features(entity_df=asked, features=features).to_arrow()
    parquet.write_table(rows, "joined.parquet")
    seconds = time.monotonic() - start
    names = [reference.partition(":")[2] for reference in features]
    total = sum(compute.sum(rows[name]).as_py() for name in names)
    found = rows.num_rows - rows[names[0]].null_count
    print(json.dumps({"seconds": seconds, "rows": rows.num_rows, "found": found, "total": total}))
else:
    settings("file")
    store().materialize(
        start_date=datetime.datetime(2024, 12, 31, tzinfo=datetime.timezone.utc),
        end_date=datetime.datetime.now(datetime.timezone.utc),
        feature_views=["states"],
    )
