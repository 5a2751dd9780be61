"""PyIceberg's upsert.

copy CATALOG    copies our tables `gold.target` and `gold.changes` into a catalog of its own, in the working folder, and prints
                where the metadata of its tables is
upsert          merges the changes into the target
"""

import pathlib
import sys

from pyiceberg.catalog.sql import SqlCatalog

folder = pathlib.Path.cwd()
own = SqlCatalog("iceberg", uri=f"sqlite:///{folder / 'catalog.db'}", warehouse=f"file://{folder}")

if sys.argv[1] == "copy":
    ours = SqlCatalog("iceberg", uri=f"sqlite:///{sys.argv[2]}", warehouse=f"file://{folder}")
    own.create_namespace("gold")
    for name in ["target", "changes"]:
        rows = ours.load_table(f"gold.{name}").scan().to_arrow()
        table = own.create_table(f"gold.{name}", rows.schema)
        table.append(rows)
        print(table.metadata_location)
else:
    changes = own.load_table("gold.changes").scan().to_arrow()
    result = own.load_table("gold.target").upsert(changes, join_cols=["id"])
    print(result.rows_updated, result.rows_inserted)
