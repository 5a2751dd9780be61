"""Writes tables as other programs write them, into Asgard's own catalog, with PyIceberg.

    foreign.py LAKEHOUSE_FOLDER

- silver.foreign_parts: partitioned by every transform, nulls among the values, and repartitioned on the way;
- silver.foreign_changed: columns renamed, dropped, moved and widened between its files, nested ones too;
- silver.foreign_deletes: rows deleted by position and by value, without rewriting the files that hold them.

PyIceberg itself neither writes deletions nor, without its native part, partitions by transforms: those files and manifests
are put together here, from its own parts.

Needs: pyiceberg[pyarrow,sql-sqlite].
"""

import sys
import uuid
from datetime import date, datetime, timezone
from decimal import Decimal
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestWriterV2,
)
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update.snapshot import _FastAppendFiles
from pyiceberg.transforms import (
    BucketTransform,
    DayTransform,
    HourTransform,
    IdentityTransform,
    MonthTransform,
    TruncateTransform,
    VoidTransform,
    YearTransform,
)
from pyiceberg.typedef import Record
from pyiceberg.types import (
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
)


def file_of(table: Table, rows: pa.Table, partition: tuple, content=DataFileContent.DATA, ids=None) -> DataFile:
    """Writes rows to a file of the table."""
    path = f"{table.location()}/data/foreign-{uuid.uuid4()}.parquet"
    local = Path(path.removeprefix("file://"))
    local.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, local)
    file = DataFile.from_args(
        content=content,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=Record(*partition),
        record_count=rows.num_rows,
        file_size_in_bytes=local.stat().st_size,
        sort_order_id=None,
        equality_ids=ids,
    )
    file.spec_id = table.spec().spec_id
    return file


def append(table: Table, rows: list[dict]) -> None:
    """Appends rows, one file for each partition."""
    schema, spec = table.schema(), table.spec()

    def partition(row: dict) -> tuple:
        values = []
        for field in spec.fields:
            source = schema.find_field(field.source_id)
            value = row[source.name]
            if isinstance(value, datetime):
                value = int(value.replace(tzinfo=timezone.utc).timestamp() * 1_000_000)
            elif isinstance(value, date):
                value = (value - date(1970, 1, 1)).days
            if isinstance(field.transform, VoidTransform):
                value = None
            value = field.transform.transform(source.field_type)(value)
            if isinstance(value, Decimal):
                value = value.quantize(Decimal(1).scaleb(-source.field_type.scale))
            values.append(value)
        return tuple(values)

    arrow = schema_to_pyarrow(schema)
    with table.transaction() as transaction, transaction.update_snapshot().fast_append() as snapshot:
        ordered = sorted(rows, key=lambda row: str(partition(row)))
        for part, of_part in groupby(ordered, key=partition):
            snapshot.append_data_file(file_of(table, pa.Table.from_pylist(list(of_part), schema=arrow), part))


class DeletesManifest(ManifestWriterV2):
    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


class Deletion(_FastAppendFiles):
    """A snapshot that adds one file of deletions."""

    file: DataFile

    def _manifests(self):
        metadata = self._transaction.table_metadata
        path = f"{metadata.location}/metadata/foreign-{uuid.uuid4()}.avro"
        output = self._io.new_output(path)
        with DeletesManifest(metadata.spec(), metadata.schema(), output, self._snapshot_id, "null") as writer:
            writer.add(
                ManifestEntry.from_args(
                    status=ManifestEntryStatus.ADDED,
                    snapshot_id=self._snapshot_id,
                    sequence_number=None,
                    file_sequence_number=None,
                    data_file=self.file,
                )
            )
        return [writer.to_manifest_file(), *self._existing_manifests()]


def delete(table: Table, rows: pa.Table, content: DataFileContent, ids=None) -> None:
    with table.transaction() as transaction:
        deletion = Deletion(operation=Operation.DELETE, transaction=transaction, io=table.io)
        deletion.file = file_of(table, rows, (), content, ids)
        deletion.commit()


def with_id(name: str, kind: pa.DataType, field_id: int, values: list) -> pa.Table:
    field = pa.field(name, kind, metadata={"PARQUET:field_id": str(field_id)})
    return pa.Table.from_arrays([pa.array(values, kind)], schema=pa.schema([field]))


def parts(catalog: SqlCatalog) -> None:
    schema = Schema(
        NestedField(1, "id", LongType()),
        NestedField(2, "region", StringType()),
        NestedField(3, "at", TimestamptzType()),
        NestedField(4, "day", DateType()),
        NestedField(5, "local", TimestampType()),
        NestedField(6, "amount", DecimalType(12, 2)),
        NestedField(7, "since", DateType()),
    )
    spec = PartitionSpec(
        PartitionField(2, 1000, IdentityTransform(), "region"),
        PartitionField(1, 1001, BucketTransform(4), "id_bucket"),
        PartitionField(3, 1002, DayTransform(), "at_day"),
        PartitionField(4, 1003, MonthTransform(), "day_month"),
        PartitionField(5, 1004, HourTransform(), "local_hour"),
        PartitionField(6, 1005, TruncateTransform(100), "amount_trunc"),
        PartitionField(7, 1006, YearTransform(), "since_year"),
        PartitionField(1, 1007, VoidTransform(), "id_void"),
    )
    table = catalog.create_table("silver.foreign_parts", schema, partition_spec=spec)
    rows = [
        {
            "id": n,
            "region": [None, "north", "süd", "o'west"][n % 4],
            "at": None if n % 7 == 0 else datetime(2023 + n % 3, 1 + n % 12, 1 + n % 28, n % 24, tzinfo=timezone.utc),
            "day": date(1960 + n % 20, 1 + n % 12, 1 + n % 28),
            "local": datetime(1969, 12, 31, n % 24, 59, 59, 999_999),
            "amount": Decimal(n * 37 - 500) / 100,
            "since": date(1965 + n % 9, 6, 1),
        }
        for n in range(60)
    ]
    append(table, rows[:40])
    with table.update_spec() as update:
        update.remove_field("region")
        update.add_field("region", TruncateTransform(2), "region_trunc")
    append(catalog.load_table("silver.foreign_parts"), rows[40:])


def changed(catalog: SqlCatalog) -> None:
    schema = Schema(
        NestedField(1, "id", IntegerType()),
        NestedField(2, "a", StringType()),
        NestedField(3, "b", StringType()),
        NestedField(4, "f", FloatType()),
        NestedField(5, "gone", LongType()),
        NestedField(
            6,
            "s",
            StructType(NestedField(7, "x", IntegerType()), NestedField(8, "y", StringType())),
        ),
        NestedField(9, "tags", ListType(10, StringType(), element_required=False)),
        NestedField(11, "counts", MapType(12, StringType(), 13, IntegerType(), value_required=False)),
        NestedField(14, "d", DecimalType(9, 2)),
    )
    table = catalog.create_table("silver.foreign_changed", schema)
    before = {"a": "a-value", "b": "b-value", "f": 0.5, "gone": 9, "s": {"x": 1, "y": "why"}, "tags": ["t", None]}
    append(table, [{"id": 1, **before, "counts": [("k", 1)], "d": Decimal("1.25")}, {"id": 2}])
    with table.update_schema() as update:
        update.rename_column("a", "c")
        update.rename_column("b", "a")
        update.delete_column("gone")
        update.update_column("id", LongType())
        update.update_column("f", DoubleType())
        update.update_column("d", DecimalType(18, 2))
        update.rename_column("s.x", "z")
        update.update_column("s.x", LongType())
        update.add_column(("s", "new"), DateType())
        update.add_column("gone", StringType())
        update.move_first("tags")
    table = catalog.load_table("silver.foreign_changed")
    after = {"c": "c-3", "a": "a-3", "f": 1.25, "gone": "new", "s": {"z": 2**40, "y": None, "new": date(2024, 2, 29)}}
    append(table, [{"id": 3, **after, "tags": [], "counts": [("k", None)], "d": Decimal("123456789.25")}])


def deletes(catalog: SqlCatalog) -> None:
    schema = Schema(NestedField(1, "id", LongType()), NestedField(2, "k", StringType()))
    table = catalog.create_table("silver.foreign_deletes", schema)
    append(table, [{"id": n, "k": f"k{n % 10}" if n % 11 else None} for n in range(1000)])
    append(table, [{"id": n, "k": "later"} for n in range(1000, 1010)])
    first = next(task.file.file_path for task in table.scan().plan_files() if task.file.record_count == 1000)
    rows = [0, 1, 5, 999]
    positions = pa.Table.from_arrays(
        [pa.array([first] * len(rows)), pa.array(rows, pa.int64())],
        schema=pa.schema(
            [
                pa.field("file_path", pa.string(), False, {"PARQUET:field_id": "2147483546"}),
                pa.field("pos", pa.int64(), False, {"PARQUET:field_id": "2147483545"}),
            ]
        ),
    )
    delete(table, positions, DataFileContent.POSITION_DELETES)
    table = catalog.load_table("silver.foreign_deletes")
    delete(table, with_id("k", pa.string(), 2, ["k3", None]), DataFileContent.EQUALITY_DELETES, [2])
    append(catalog.load_table("silver.foreign_deletes"), [{"id": 5000, "k": "k3"}])


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    lakehouse = SqlCatalog("iceberg", uri=f"sqlite:///{folder / 'catalog.db'}", warehouse=f"file://{folder}/warehouse")
    parts(lakehouse)
    changed(lakehouse)
    deletes(lakehouse)
