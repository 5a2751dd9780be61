"""Compares what Asgard answers with what PyIceberg and DuckDB read, row by row.

    compare.py BASE_URL LAKEHOUSE_FOLDER NAMESPACE.TABLE[@SNAPSHOT]=ROWS ...

Rows come from the API page by page. A table with rows that were deleted by value is not read by PyIceberg, so DuckDB alone
is asked then. With the id of a snapshot all read the table as it was; DuckDB by the file and through the catalog, which have
words of their own for that.

Needs: pyiceberg[pyarrow,sql-sqlite], duckdb, duckdb-extension-{iceberg,avro,httpfs}.
"""

import json
import struct
import sys
import uuid
from collections.abc import Iterator
from datetime import date, datetime, time, timezone
from decimal import Decimal
from pathlib import Path
from urllib.request import urlopen

from pyiceberg.catalog.sql import SqlCatalog

import rest_catalog
from read_back import duck


def answered(base: str, name: str, snapshot: str) -> tuple[list[dict], list[dict]]:
    """All rows of a table by the API, and its columns."""
    rows, cursor = [], f"&as_of={snapshot}" if snapshot else ""
    while True:
        url = f"{base}/lakehouse/tables/{name.replace('.', '/')}/rows?limit=1000{cursor}"
        with urlopen(url) as answer:
            page = json.load(answer)
        rows.extend(page["rows"])
        if page["next_cursor"] is None:
            return rows, page["columns"]
        cursor = f"&cursor={page['next_cursor']}"


def plain(value, of: str = ""):
    """A value as JSON has it, in one of its spellings."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        pairs = of.startswith("map") and all(isinstance(item, tuple) for item in value)
        return plain(dict(value)) if pairs else [plain(inner) for inner in value]
    if of.startswith("decimal") and value is not None:
        return format(Decimal(str(value)).normalize(), "f")
    if of == "float" and value is not None:
        # JSON's shortest digits of 32 bits, and those of the 64 that Python makes of them, are one value.
        return struct.unpack("f", struct.pack("f", value))[0]
    if of == "double" and value is not None:
        return float(value)
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, datetime):
        zone = "Z" if value.tzinfo else ""
        value = value.astimezone(timezone.utc).replace(tzinfo=None) if value.tzinfo else value
        return fraction(value.isoformat() + zone)
    if isinstance(value, (date, time)):
        return fraction(value.isoformat())
    if isinstance(value, uuid.UUID):
        return value.hex
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    return fraction(value) if of.startswith("time") and isinstance(value, str) else value


def fraction(text: str) -> str:
    """Without zeros at the end of a second's fraction."""
    if "." not in text:
        return text
    head, tail = text.split(".", 1)
    digits = tail.rstrip("Z")
    kept = digits.rstrip("0")
    return head + (f".{kept}" if kept else "") + ("Z" if tail.endswith("Z") else "")


def lines(rows: Iterator[dict], columns: list[dict]) -> list[str]:
    shown = ({column["name"]: plain(row[column["name"]], column["type"]) for column in columns} for row in rows)
    return sorted(json.dumps(row, sort_keys=True, ensure_ascii=False) for row in shown)


def main(base: str, folder: Path, expected: dict[str, int]) -> list[str]:
    catalog = SqlCatalog("iceberg", uri=f"sqlite:///{folder / 'catalog.db'}", warehouse=f"file://{folder}")
    connection = duck()
    connection.execute("SET TimeZone = 'UTC'")
    wrong = []
    for asked, count in expected.items():
        name, _, snapshot = asked.partition("@")
        rows, columns = answered(base, name, snapshot)
        ours = lines(iter(rows), columns)
        if len(ours) != count:
            wrong.append(f"{asked}: {len(ours)} rows, expected {count}")
        table = catalog.load_table(name)
        names = ", ".join(f'"{column["name"]}"' for column in columns)
        location = table.metadata_location.removeprefix("file://")
        of = f", snapshot_from_id={snapshot}" if snapshot else ""
        found = connection.execute(f"SELECT {names} FROM iceberg_scan('{location}'{of})").to_arrow_table()
        others = {"DuckDB": found}
        if snapshot:
            attached = rest_catalog.duck(base)
            attached.execute("SET TimeZone = 'UTC'")
            found = attached.execute(f"SELECT {names} FROM lake.{name} AT (VERSION => {snapshot})").to_arrow_table()
            others["DuckDB through the catalog"] = found
        try:
            others["PyIceberg"] = table.scan(snapshot_id=int(snapshot) if snapshot else None).to_arrow()
        except ValueError as error:
            if "equality deletes" not in str(error):
                raise
        for reader, found in others.items():
            theirs = lines(iter(found.to_pylist()), columns)
            if theirs != ours:
                only = [line for line in ours if line not in theirs][:3], [line for line in theirs if line not in ours][:3]
                wrong.append(f"{asked}: {reader} reads otherwise: only here {only[0]}, only there {only[1]}")
        print(f"{asked}: {len(ours)} rows, as {' and '.join(others)}")
    return wrong


if __name__ == "__main__":
    tables = dict(argument.split("=", 1) for argument in sys.argv[3:])
    problems = main(sys.argv[1], Path(sys.argv[2]), {name: int(rows) for name, rows in tables.items()})
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(bool(problems))
