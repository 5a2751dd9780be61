"""Spark's MERGE of the same changes into the same table, on this machine.

    spark_merge.py FOLDER METADATA_OF_TARGET METADATA_OF_CHANGES JAR ...

Copies both tables, by the metadata files of theirs, into a catalog of its own in the folder, and prints the seconds that MERGE took:
without the start of the session, which a Spark that stays up has behind it.
"""

import pathlib
import sys
import time

sys.path.append(str(pathlib.Path(__file__).parents[4] / "interop"))
from spark import session  # noqa: E402

folder, target, changes, *jars = sys.argv[1:]
settings = {
    "spark.sql.catalog.own": "org.apache.iceberg.spark.SparkCatalog",
    "spark.sql.catalog.own.type": "hadoop",
    "spark.sql.catalog.own.warehouse": f"{folder}/warehouse",
    # All of this machine, as we have it.
    "spark.master": "local[*]",
    "spark.driver.memory": "8g",
    "spark.sql.shuffle.partitions": "4",
}
spark = session(folder, jars, settings)
for name, metadata in [("target", target), ("changes", changes)]:
    spark.read.format("iceberg").load(metadata).writeTo(f"own.gold.{name}").using("iceberg").create()

start = time.monotonic()
spark.sql(
    "MERGE INTO own.gold.target t USING own.gold.changes c ON t.id = c.id "
    "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
)
print(time.monotonic() - start)
