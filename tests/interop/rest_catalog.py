"""Attaches PyIceberg and DuckDB to a host's Iceberg REST catalog, and works with it as a user would.

    rest_catalog.py HOST_URL STEP [TOKEN ...]

Each step is a scenario of its own and says what it found as one line of JSON, for the test to compare.

Needs: pyiceberg[pyarrow], duckdb, duckdb-extension-{iceberg,avro,httpfs}.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pyarrow as pa
from pyiceberg.catalog import load_catalog
from pyiceberg.exceptions import BadRequestError, CommitFailedException, ForbiddenError, UnauthorizedError
from pyiceberg.expressions import EqualTo
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, IdentityTransform
from pyiceberg.types import LongType, NestedField, StringType

ROWS = pa.table({"id": pa.array([1, 2, 3], pa.int64()), "place": ["a", "b", "a"]})


def catalog(url: str, token: str = ""):
    return load_catalog("asgard", type="rest", uri=f"{url}/iceberg", **({"token": token} if token else {}))


def extension(name: str) -> str:
    """The file of one of DuckDB's extensions."""
    package = Path(find_spec(f"duckdb_extension_{name}").origin).parent
    return str(next(package.rglob(f"{name}.duckdb_extension")))


def unattached() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    for name in ("httpfs", "avro", "iceberg"):
        connection.execute(f"LOAD '{extension(name)}'")
    return connection


def duck(url: str, token: str = "") -> duckdb.DuckDBPyConnection:
    connection = unattached()
    authorization = f"TOKEN '{token}'" if token else "AUTHORIZATION_TYPE 'none'"
    connection.execute(f"ATTACH 'lake' AS lake (TYPE iceberg, ENDPOINT '{url}/iceberg', {authorization})")
    return connection


def read(url: str) -> dict:
    """What both see of `gold.to_read`, which the host wrote."""
    theirs = catalog(url).load_table("gold.to_read").scan().to_arrow().sort_by("n").to_pylist()
    connection = duck(url)
    ducks = connection.execute("SELECT n, word FROM lake.gold.to_read ORDER BY n").fetchall()
    names = [".".join(name) for name in catalog(url).list_tables("gold")]
    return {"pyiceberg": theirs, "duckdb": [list(row) for row in ducks], "listed": "gold.to_read" in names}


def evolve(url: str) -> dict:
    """Creates, appends, evolves and deletes in `silver.evolved`."""
    cat = catalog(url)
    table = cat.create_table("silver.evolved", schema=ROWS.schema)
    table.append(ROWS)
    with table.update_schema() as update:
        update.add_column("amount", LongType())
    table.append(pa.table({"id": [4], "place": ["c"], "amount": [40]}))
    table.delete(EqualTo("id", 2))
    with table.transaction() as transaction:
        transaction.set_properties({"owner": "tests"})
    return {"rows": table.refresh().scan().to_arrow().num_rows, "snapshots": len(table.snapshots())}


def partition(url: str) -> dict:
    """A table partitioned by value and by bucket."""
    schema = Schema(NestedField(1, "id", LongType()), NestedField(2, "place", StringType()))
    spec = PartitionSpec(
        PartitionField(source_id=2, field_id=1000, transform=IdentityTransform(), name="place"),
        PartitionField(source_id=1, field_id=1001, transform=BucketTransform(4), name="id_bucket"),
    )
    table = catalog(url).create_table("silver.partitioned", schema=schema, partition_spec=spec)
    table.append(ROWS)
    return {"rows": table.scan(EqualTo("place", "a")).to_arrow().num_rows}


def stage(url: str) -> dict:
    """A table that its first commit makes, rows and all."""
    with catalog(url).create_table_transaction("silver.staged", schema=ROWS.schema) as transaction:
        with transaction.update_snapshot().fast_append() as append:
            from pyiceberg.io.pyarrow import _dataframe_to_data_files

            files = _dataframe_to_data_files(
                table_metadata=transaction.table_metadata, df=ROWS, io=transaction._table.io
            )
            for file in files:
                append.append_data_file(file)
    return {"rows": catalog(url).load_table("silver.staged").scan().to_arrow().num_rows}


def race(url: str) -> dict:
    """Many appends at once: each is there or its writer was told."""
    catalog(url).create_table("silver.raced", schema=ROWS.schema)

    def append(_: int) -> bool:
        try:
            catalog(url).load_table("silver.raced").append(ROWS.slice(0, 1))
            return True
        except CommitFailedException:
            return False

    with ThreadPoolExecutor(8) as pool:
        done = sum(pool.map(append, range(24)))
    return {"told": done, "rows": catalog(url).load_table("silver.raced").scan().to_arrow().num_rows}


def lifecycle(url: str) -> dict:
    """Namespaces and tables are made, renamed, dropped, registered again."""
    cat = catalog(url)
    cat.create_namespace("lab", {"owner": "tests"})
    cat.update_namespace_properties("lab", removals={"owner"}, updates={"purpose": "tries"})
    first = cat.create_table("lab.first", schema=ROWS.schema)
    first.append(ROWS)
    cat.rename_table("lab.first", "lab.second")
    again = cat.create_table("lab.first", schema=ROWS.schema)
    metadata = cat.load_table("lab.second").metadata_location
    cat.drop_table("lab.second")
    cat.register_table("lab.third", metadata)
    rows = cat.load_table("lab.third").scan().to_arrow().num_rows
    apart = again.location() != cat.load_table("lab.third").location()
    cat.drop_table("lab.first")
    cat.purge_table("lab.third")
    properties = cat.load_namespace_properties("lab")
    placed = properties.pop("location").endswith("/lab")
    cat.drop_namespace("lab")
    return {"rows": rows, "apart": apart, "properties": properties, "placed": placed, "left": cat.namespace_exists("lab")}


def ducks(url: str) -> dict:
    """DuckDB makes a table, writes to it and reads it."""
    connection = duck(url)
    connection.execute("CREATE TABLE lake.silver.ducks (id BIGINT, name VARCHAR)")
    connection.execute("INSERT INTO lake.silver.ducks VALUES (1, 'mallard'), (2, 'teal')")
    return {"rows": connection.execute("SELECT COUNT(*) FROM lake.silver.ducks").fetchone()[0]}


def closed(url: str, operator: str, viewer: str) -> dict:
    """What two tokens reach at a host that wants one, and what is said to whoever reaches further, has none or a made-up one."""
    catalog(url, operator).create_table("silver.by_pyiceberg", schema=ROWS.schema).append(ROWS)
    writer = duck(url, operator)
    writer.execute("CREATE TABLE lake.silver.by_duckdb (id BIGINT, name VARCHAR)")
    writer.execute("INSERT INTO lake.silver.by_duckdb VALUES (1, 'mallard'), (2, 'teal')")
    tries = {
        "append": lambda: catalog(url, viewer).load_table("silver.by_pyiceberg").append(ROWS),
        "create": lambda: catalog(url, viewer).create_table("silver.refused", schema=ROWS.schema),
        "drop": lambda: catalog(url, viewer).drop_table("silver.by_pyiceberg"),
        "none": lambda: catalog(url),
        "unknown": lambda: catalog(url, "asgard_made-up"),
        "duckdb_insert": lambda: duck(url, viewer).execute("INSERT INTO lake.silver.by_duckdb VALUES (3, 'gadwall')"),
        "duckdb_create": lambda: duck(url, viewer).execute("CREATE TABLE lake.silver.refused (id BIGINT)"),
        "duckdb_none": lambda: duck(url),
        "duckdb_unknown": lambda: duck(url, "asgard_made-up"),
    }
    refused = {}
    for what, attempt in tries.items():
        try:
            attempt()
            refused[what] = "done"
        except (ForbiddenError, UnauthorizedError, duckdb.Error) as error:
            refused[what] = str(error)
    secret = unattached()
    secret.execute(f"CREATE SECRET asgard (TYPE iceberg, TOKEN '{viewer}')")
    secret.execute(f"ATTACH 'lake' AS lake (TYPE iceberg, ENDPOINT '{url}/iceberg', SECRET asgard)")
    ducks = {"operator": writer, "viewer": duck(url, viewer), "secret": secret}
    rows = {}
    for name in ("gold.to_read", "silver.by_pyiceberg", "silver.by_duckdb"):
        rows[name] = {
            who: connection.execute(f"SELECT * FROM lake.{name} ORDER BY 1").fetchall() for who, connection in ducks.items()
        }
        for who, token in (("pyiceberg operator", operator), ("pyiceberg viewer", viewer)):
            found = catalog(url, token).load_table(name).scan().to_arrow().to_pylist()
            rows[name][who] = sorted(tuple(row.values()) for row in found)
    return {"refused": refused, "rows": rows}


def synced(url: str) -> dict:
    """What a client may do with a table that an ingestion fills, `bronze.guarded_t`, and what is refused."""
    cat = catalog(url)
    name = "bronze.guarded_t"
    first = cat.load_table(name).current_snapshot().snapshot_id

    def rows(*rows):
        return pa.Table.from_pylist(list(rows), schema=cat.load_table(name).schema().as_arrow())

    cat.load_table(name).append(rows({"id": 100, "v": 100}))

    def columns(change):
        with cat.load_table(name).update_schema() as update:
            change(update)

    def properties(change):
        with cat.load_table(name).transaction() as transaction:
            change(transaction)

    def rollback():
        cat.load_table(name).manage_snapshots().set_current_snapshot(snapshot_id=first).commit()

    tries = {
        "rename": lambda: cat.rename_table(name, "bronze.guarded_other"),
        "drop_column": lambda: columns(lambda update: update.delete_column("v")),
        "rename_column": lambda: columns(lambda update: update.rename_column("v", "w")),
        "set_checkpoint": lambda: properties(lambda table: table.set_properties({"asgard.checkpoint": "{}"})),
        "remove_writer": lambda: properties(lambda table: table.remove_properties("asgard.checkpoint.writer")),
        "rollback": rollback,
    }
    refused = {}
    for what, attempt in tries.items():
        try:
            attempt()
            refused[what] = "done"
        except BadRequestError as error:
            refused[what] = str(error)
    columns(lambda update: update.add_column("note", StringType()))
    columns(lambda update: update.update_column("v", LongType()))
    cat.load_table(name).overwrite(rows({"id": 101, "v": 101, "note": "noted"}), overwrite_filter=EqualTo("id", 100))
    cat.load_table(name).delete(EqualTo("id", 1))
    return {"refused": refused, "rows": cat.load_table(name).scan().to_arrow().sort_by("id").to_pylist()}


if __name__ == "__main__":
    steps = (read, evolve, partition, stage, race, lifecycle, ducks, closed, synced)
    step = {function.__name__: function for function in steps}
    print(json.dumps(step[sys.argv[2]](sys.argv[1], *sys.argv[3:])))
