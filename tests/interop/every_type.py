"""Every type that a table of the lakehouse can have, with the values at their ends, as the readers have them.

    every_type.py write FILE [COLUMN ...]    makes the rows, as a file of Parquet for the connector `files`; without these columns
    every_type.py read HOST_URL TABLE FILE   compares the file with the table: by PyIceberg and by DuckDB, row by row

`read` says what differs as one line of JSON: a list of texts, empty where all is the same.

Needs: pyiceberg[pyarrow], duckdb, duckdb-extension-{iceberg,avro,httpfs}.
"""

import json
import sys
from datetime import date, datetime, time, timezone
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq

from rest_catalog import catalog, duck

# The first and the last day and moment that PostgreSQL has, as far as 64 bits of microseconds go. Python has no name for them.
FIRST_DAY, LAST_DAY = -2_440_588, 2_145_042_541
FIRST_MOMENT, LAST_MOMENT = -210_866_803_200_000_000, 9_223_371_331_199_999_999

NAN, INFINITY = float("nan"), float("inf")

UUIDS = [bytes(16), bytes.fromhex("12151fd2758611e98f9e2a86e4085a59"), b"\xff" * 16, None, bytes(15) + b"\x01"]

# Five rows: usual values, the largest, the smallest and what is no number, nulls, and what is empty or zero.
COLUMNS = {
    "id": (pa.int64(), [0, 1, 2, 3, 4]),
    "yes": (pa.bool_(), [True, True, False, None, False]),
    "whole": (pa.int32(), [7, 2**31 - 1, -(2**31), None, 0]),
    "wide": (pa.int64(), [9_007_199_254_740_993, 2**63 - 1, -(2**63), None, 0]),
    "single": (pa.float32(), [0.5, INFINITY, NAN, None, -0.0]),
    "twice": (pa.float64(), [0.1, INFINITY, NAN, None, -0.0]),
    "below": (pa.float64(), [1e-300, 1.7976931348623157e308, -INFINITY, None, 5e-324]),
    "exact": (pa.decimal128(38, 10), [Decimal("12345.0123456789"), Decimal(10**28 - 1), Decimal(1 - 10**28), None, Decimal(0)]),
    "price": (pa.decimal128(5, 2), [Decimal("1.25"), Decimal("999.99"), Decimal("-999.99"), None, Decimal(0)]),
    "middle": (pa.decimal128(15, 3), [Decimal("1.125"), Decimal(10**12 - 1), Decimal(1 - 10**12), None, Decimal(0)]),
    "day": (pa.date32(), [date(2024, 2, 29), LAST_DAY, FIRST_DAY, None, 0]),
    "hour": (pa.time64("us"), [time(12, 30, 0, 1), time(23, 59, 59, 999_999), time(0), None, time(1)]),
    "local": (pa.timestamp("us"), [datetime(2024, 2, 29, 12, 30, 0, 1), LAST_MOMENT, FIRST_MOMENT, None, -1]),
    "moment": (pa.timestamp("us", "UTC"), [datetime(2024, 2, 29, tzinfo=timezone.utc), LAST_MOMENT, FIRST_MOMENT, None, -1]),
    "words": (pa.string(), ["usual", "žluťoučký 🐎" * 100, "\n\t\"'\\ ", None, ""]),
    "key": (pa.uuid(), UUIDS),
    "fixed": (pa.binary(4), [b"abcd", b"\xff" * 4, bytes(4), None, b"\x00abc"]),
    "bytes": (pa.binary(), [b"abc", bytes(range(256)), b"\x00", None, b""]),
    "numbers": (pa.list_(pa.int32()), [[1, None, 3], list(range(1000)), [None], None, []]),
    "lists": (pa.list_(pa.list_(pa.string())), [[["a"], None, ["b", None]], [[]], [None], None, []]),
    "pairs": (pa.map_(pa.string(), pa.int64()), [[("k", 1), ("l", None)], [("", 2**63 - 1)], [("n", None)], None, []]),
    "numbered": (pa.map_(pa.int32(), pa.list_(pa.date32())), [[(1, [date(2024, 2, 29), None])], [(-1, [])], [(0, None)], None, []]),
    "nested": (
        pa.struct({"x": pa.int32(), "y": pa.struct({"z": pa.list_(pa.timestamp("us", "UTC")), "b": pa.binary()})}),
        [
            {"x": 1, "y": {"z": [datetime(2024, 1, 1, tzinfo=timezone.utc), None], "b": b"b"}},
            {"x": 2**31 - 1, "y": {"z": [], "b": b""}},
            {"x": None, "y": {"z": None, "b": None}},
            None,
            {"x": 0, "y": None},
        ],
    ),
    "people": (
        pa.list_(pa.struct({"name": pa.string(), "pay": pa.decimal128(9, 2), "tags": pa.map_(pa.string(), pa.bool_())})),
        [
            [{"name": "a", "pay": Decimal("1.50"), "tags": [("t", True)]}, None],
            [{"name": "", "pay": Decimal("9999999.99"), "tags": []}],
            [{"name": None, "pay": None, "tags": None}],
            None,
            [],
        ],
    ),
}


def column(kind: pa.DataType, values: list) -> pa.Array:
    """Times beyond Python's are numbers already: all become numbers on the way."""
    if kind == pa.uuid():
        return pa.ExtensionArray.from_storage(kind, pa.array(values, pa.binary(16)))
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        number = pa.int32() if pa.types.is_date(kind) else pa.int64()
        values = [pa.scalar(value, kind).cast(number).as_py() if isinstance(value, date) else value for value in values]
        return pa.array(values, number).cast(kind)
    return pa.array(values, kind)


def write(file: str, *without: str) -> None:
    pq.write_table(pa.table({name: column(*of) for name, of in COLUMNS.items() if name not in without}), file)


def shown(value):
    """A value as text that is the same for the same value: also for what is no number, and for a zone by another of its names."""
    if isinstance(value, dict):
        return {key: shown(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown(inner) for inner in value]
    return value.isoformat() if isinstance(value, datetime) else repr(value)


def comparable(array: pa.ChunkedArray, of: pa.DataType) -> list:
    """Values of a column whose type is `of` in the file; times beyond Python's as numbers."""
    array = array.combine_chunks()
    if of == pa.uuid() and pa.types.is_string(array.type):
        return [value and shown(UUID(value).bytes) or shown(None) for value in array.to_pylist()]
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_date(array.type):
        array = array.cast(pa.int32())
    elif pa.types.is_timestamp(array.type):
        array = array.cast(pa.int64())
    return [shown(value) for value in array.to_pylist()]


def difference(reader: str, found: pa.Table, expected: pa.Table) -> list[str]:
    if found.column_names != expected.column_names:
        return [f"{reader} has the columns {found.column_names}"]
    differing = []
    for name in expected.column_names:
        of = expected.schema.field(name).type
        for row, (theirs, ours) in enumerate(zip(comparable(found[name], of), comparable(expected[name], of), strict=True)):
            if theirs != ours:
                differing.append(f"{reader} has {name} of row {row} as {theirs}, expected {ours}"[:500])
    return differing


def read(url: str, table: str, file: str) -> list[str]:
    expected = pq.read_table(file)
    differing = difference("PyIceberg", catalog(url).load_table(table).scan().to_arrow().sort_by("id"), expected)
    ducks = duck(url).execute(f"SELECT * FROM lake.{table} ORDER BY id").to_arrow_table()
    return differing + difference("DuckDB", ducks, expected)


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(*sys.argv[2:])
    else:
        print(json.dumps(read(*sys.argv[2:])))
