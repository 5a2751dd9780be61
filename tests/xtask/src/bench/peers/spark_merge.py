"""Spark's MERGE of the same changes into the same table, on this machine.

    spark_merge.py FOLDER METADATA_OF_TARGET METADATA_OF_CHANGES JAR ...

Copies both tables, by the metadata files of theirs, into a catalog of its own in the folder, and prints what MERGE cost, without the
start of the session, which a Spark that stays up has behind it: `{"seconds": 1.5, "cpu_seconds": 2.0, "rss_mb": 900.0}`.
"""

import json
import os
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

# The virtual machine does the work, not this process.
process = pathlib.Path("/proc", str(spark.sparkContext._jvm.java.lang.ProcessHandle.current().pid()))


def cpu_seconds():
    # The name, in brackets, may have blanks. After it, utime and stime are fields 12 and 13: see proc(5).
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb():
    (peak,) = (line.split()[1] for line in (process / "status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(peak) / 1024


# The peak counts from here on.
(process / "clear_refs").write_text("5")
start, before = time.monotonic(), cpu_seconds()
spark.sql(
    "MERGE INTO own.gold.target t USING own.gold.changes c ON t.id = c.id "
    "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
)
seconds = time.monotonic() - start
print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds() - before, "rss_mb": peak_mb()}))
