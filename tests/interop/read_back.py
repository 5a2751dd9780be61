"""Reads tables that Asgard wrote with PyIceberg and with DuckDB, and compares the two row by row.

    read_back.py LAKEHOUSE_FOLDER NAMESPACE.TABLE=ROWS ...

PyIceberg opens the catalog file itself, as any SQL catalog of Iceberg. DuckDB reads the table from its current metadata
file; its extensions come as packages, since nothing is downloaded at run time.

Needs: pyiceberg[pyarrow,sql-sqlite], duckdb, duckdb-extension-iceberg, duckdb-extension-avro.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

import duckdb
from pyiceberg.catalog.sql import SqlCatalog


def extension(name: str) -> str:
    """The file of one of DuckDB's extensions."""
    package = Path(find_spec(f"duckdb_extension_{name}").origin).parent
    return str(next(package.rglob(f"{name}.duckdb_extension")))


def duck() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    for name in ("avro", "iceberg"):
        connection.execute(f"LOAD '{extension(name)}'")
    return connection


def main(folder: Path, expected: dict[str, int]) -> list[str]:
    catalog = SqlCatalog("iceberg", uri=f"sqlite:///{folder / 'catalog.db'}", warehouse=f"file://{folder}")
    connection = duck()
    wrong = []
    for name, rows in expected.items():
        table = catalog.load_table(name)
        iceberg = table.scan().to_arrow()
        relation = f"iceberg_scan('{table.metadata_location.removeprefix('file://')}')"
        columns = ", ".join(f'"{field.name}"' for field in table.schema().fields)
        duckdbs = connection.execute(f"SELECT {columns} FROM {relation}").to_arrow_table()
        if not (iceberg.num_rows == duckdbs.num_rows == rows):
            wrong.append(f"{name}: PyIceberg {iceberg.num_rows}, DuckDB {duckdbs.num_rows}, expected {rows} rows")
            continue
        connection.register("theirs", iceberg)
        # Types differ in names between the two readers; what counts is that the values are the same.
        difference = connection.execute(
            f"SELECT COUNT(*) FROM ((SELECT {columns} FROM {relation} EXCEPT ALL SELECT {columns} FROM theirs) "
            f"UNION ALL (SELECT {columns} FROM theirs EXCEPT ALL SELECT {columns} FROM {relation}))"
        ).fetchone()[0]
        if difference:
            wrong.append(f"{name}: {difference} rows differ between PyIceberg and DuckDB")
        connection.unregister("theirs")
        print(f"{name}: {rows} rows, {len(table.schema().fields)} columns, {len(table.snapshots())} snapshots")
    return wrong


if __name__ == "__main__":
    tables = dict(argument.split("=", 1) for argument in sys.argv[2:])
    problems = main(Path(sys.argv[1]), {name: int(rows) for name, rows in tables.items()})
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(bool(problems))
