"""TPC-H by DuckDB's generator: https://duckdb.org/docs/stable/core_extensions/tpch

    tpch.py FOLDER SCALE

Writes one Parquet file a table into the folder, and prints the 22 queries as a JSON list.
"""

import json
import sys

import duckdb
import duckdb_extensions

folder, scale = sys.argv[1], float(sys.argv[2])
duckdb_extensions.import_extension("tpch")
session = duckdb.connect()
session.execute("LOAD tpch")
session.execute(f"CALL dbgen(sf = {scale})")
for (name,) in session.execute("SHOW TABLES").fetchall():
    session.execute(f"COPY {name} TO '{folder}/{name}.parquet' (FORMAT parquet)")
print(json.dumps([sql for (sql,) in session.execute("SELECT query FROM tpch_queries() ORDER BY query_nr").fetchall()]))
