"""A Spark session that runs statements of SQL as they come: starting one for each would take 20 s each.

    spark.py FOLDER JAR ...

Reads one JSON object a line, `{"sql": …}`, and answers each with one: `{"columns": [[name, type], …], "rows": [[…], …]}`, types
in Iceberg's words and values as JSON has them, or `{"error": …}`. The first line that it writes says that it is ready.

Needs: pyspark, a Java runtime in JAVA_HOME, the jars of Iceberg for Spark, and UTC for its zone.
"""

import json
import math
import os
import sys
from datetime import date, datetime
from decimal import Decimal

from pyspark.sql import SparkSession
from pyspark.sql.types import ArrayType, DataType, DecimalType, MapType, StructType

NAMES = {
    "byte": "int",
    "short": "int",
    "integer": "int",
    "varchar": "string",
    "char": "string",
    "timestamp": "timestamptz",
    "timestamp_ntz": "timestamp",
}


def session(folder: str, jars: list[str], settings: dict[str, str] | None = None) -> SparkSession:
    """A session with Iceberg that keeps what is its own in the folder; `settings` go before those here."""
    usual = {
        "spark.app.name": "asgard",
        "spark.master": "local[2]",
        "spark.jars": ",".join(jars),
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": f"{folder}/spark-warehouse",
        "spark.local.dir": f"{folder}/spark-local",
        "spark.driver.memory": "768m",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    builder = SparkSession.builder
    for name, value in (usual | (settings or {})).items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def type_of(of: DataType) -> str:
    if isinstance(of, ArrayType):
        return f"list<{type_of(of.elementType)}>"
    if isinstance(of, MapType):
        return f"map<{type_of(of.keyType)},{type_of(of.valueType)}>"
    if isinstance(of, StructType):
        return "struct<" + ",".join(f"{field.name}:{type_of(field.dataType)}" for field in of.fields) + ">"
    if isinstance(of, DecimalType):
        return f"decimal({of.precision},{of.scale})"
    return NAMES.get(of.typeName(), of.typeName())


def plain(value, of: DataType):
    if value is None:
        return None
    if isinstance(of, ArrayType):
        return [plain(item, of.elementType) for item in value]
    if isinstance(of, MapType):
        return {str(plain(key, of.keyType)): plain(item, of.valueType) for key, item in value.items()}
    if isinstance(of, StructType):
        return {field.name: plain(value[field.name], field.dataType) for field in of.fields}
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat() + ("Z" if of.typeName() == "timestamp" else "")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def answer(spark: SparkSession, sql: str) -> dict:
    frame = spark.sql(sql)
    fields = frame.schema.fields
    rows = [[plain(row[at], field.dataType) for at, field in enumerate(fields)] for row in frame.collect()]
    return {"columns": [[field.name, type_of(field.dataType)] for field in fields], "rows": rows}


def main(folder: str, jars: list[str]) -> None:
    # Java writes to standard output as it likes: the answers get a way of their own.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(what: dict) -> None:
        answers.write(json.dumps(what) + "\n")
        answers.flush()

    spark = session(folder, jars)
    say({"ready": spark.version})
    for line in sys.stdin:
        try:
            say(answer(spark, json.loads(line)["sql"]))
        except Exception as error:
            say({"error": str(error)[:4000]})


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
