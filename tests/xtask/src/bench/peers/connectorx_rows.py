"""Reads a table with ConnectorX and writes it as Parquet. Argument: the source's URI."""

import sys

import connectorx
import pyarrow.parquet

# ConnectorX reads no `char` arrays or money, and needs none here.
table = connectorx.read_sql(sys.argv[1], "SELECT * FROM bench.orders", return_type="arrow")
pyarrow.parquet.write_table(table, "orders.parquet", compression="zstd")
print(table.num_rows)
