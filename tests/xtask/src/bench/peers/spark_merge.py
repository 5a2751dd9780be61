"""Spark's MERGE of the same changes into the same table, on this machine.

    spark_merge.py METADATA_OF_TARGET METADATA_OF_CHANGES JAR ...

Copies both tables, by the metadata files of theirs, into a catalog of its own in the working folder, and prints the seconds that
MERGE took: without the start of the session, which a Spark that stays up has behind it.
"""

import pathlib
import sys
import time

from pyspark.sql import SparkSession

target, changes, *jars = sys.argv[1:]
folder = pathlib.Path.cwd()
settings = {
    "spark.jars": ",".join(jars),
    "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    "spark.sql.catalog.own": "org.apache.iceberg.spark.SparkCatalog",
    "spark.sql.catalog.own.type": "hadoop",
    "spark.sql.catalog.own.warehouse": f"{folder}/warehouse",
    "spark.local.dir": f"{folder}/local",
    "spark.driver.memory": "8g",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "4",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
builder = SparkSession.builder.master("local[*]").appName("bench")
for name, value in settings.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
for name, metadata in [("target", target), ("changes", changes)]:
    spark.read.format("iceberg").load(metadata).writeTo(f"own.gold.{name}").using("iceberg").create()

start = time.monotonic()
spark.sql(
    "MERGE INTO own.gold.target t USING own.gold.changes c ON t.id = c.id "
    "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
)
print(time.monotonic() - start)
