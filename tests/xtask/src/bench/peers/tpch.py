"""TPC-H by DuckDB's generator: https://duckdb.org/docs/stable/core_extensions/tpch

    tpch.py FOLDER SCALE

Writes one Parquet file a table into the folder, and prints the 22 queries as a JSON list.
"""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import duckdb

folder, scale = sys.argv[1], float(sys.argv[2])
package = Path(find_spec("duckdb_extension_tpch").origin).parent
session = duckdb.connect()
session.execute(f"LOAD '{next(package.rglob('tpch.duckdb_extension'))}'")
session.execute(f"CALL dbgen(sf = {scale})")
for (name,) in session.execute("SHOW TABLES").fetchall():
    session.execute(f"COPY {name} TO '{folder}/{name}.parquet' (FORMAT parquet)")
print(json.dumps([sql for (sql,) in session.execute("SELECT query FROM tpch_queries() ORDER BY query_nr").fetchall()]))
