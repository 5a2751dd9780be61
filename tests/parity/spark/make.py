"""Makes `cases.jsonl`: every worked example that Spark prints of its own functions, and `statements.sql`, with what Spark itself answers.

    PYTHON make.py > cases.jsonl          with pyspark and Java 17 or 21

One line a case: the statement, the types of its columns, and its rows, each value as a text that says the same for every engine
(see `text`). Examples whose answer is another in a second run, or depends on when or where they run, are left out.
"""

import datetime
import decimal
import itertools
import json
import pathlib
import re
import struct
import sys

from pyspark.sql import SparkSession

# What these answer is another tomorrow, or elsewhere, though two runs of now agree.
OF_TIME_AND_PLACE = {
    "current_catalog", "current_database", "current_date", "current_path", "current_schema", "current_time", "current_timestamp", "current_timezone",
    "current_user", "curdate", "input_file_block_length", "input_file_block_start", "input_file_name", "java_method", "localtimestamp", "monotonically_increasing_id",
    "now", "rand", "randn", "random", "randstr", "reflect", "session_user", "shuffle", "spark_partition_id", "try_reflect", "uniform",
    "unix_timestamp", "user", "uuid", "version",
}


def text(value, kind):
    """A value as every engine can say it."""
    name = kind["type"] if isinstance(kind, dict) else kind
    if value is None:
        return None
    if name == "array":
        return [text(each, kind["elementType"]) for each in value]
    if name == "map":
        pairs = [[text(key, kind["keyType"]), text(each, kind["valueType"])] for key, each in value.items()]
        return {"map": sorted(pairs, key=json.dumps)}
    if name == "struct":
        return {"struct": [[field["name"], text(each, field["type"])] for field, each in zip(kind["fields"], value)]}
    if isinstance(value, bool):
        return "true" if value else "false"
    if name == "float":
        return repr(shortest(value))
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, datetime.datetime):
        zone = "" if name == "timestamp_ntz" else "Z"
        return value.strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".") + zone
    if isinstance(value, datetime.timedelta):
        return f"{(value.days * 86400 + value.seconds) * 1_000_000 + value.microseconds} us"
    return str(value)


def shortest(value):
    """The shortest decimal that is this 32-bit number."""
    for digits in range(1, 10):
        short = float(f"{value:.{digits}g}")
        if struct.pack("f", short) == struct.pack("f", value):
            return short
    return value


def examples(spark):
    for (name,) in spark.sql("SHOW FUNCTIONS").collect():
        described = "\n".join(row[0] for row in spark.sql(f"DESCRIBE FUNCTION EXTENDED `{name}`").collect())
        for found in re.finditer(r"^\s*> (.*?);\s*$", described, re.MULTILINE | re.DOTALL):
            yield name, found[1].strip()


def statements():
    """Of the language beyond functions; one a line."""
    for line in pathlib.Path(__file__).with_name("statements.sql").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("--"):
            yield "", line


def answer(spark, sql):
    found = spark.sql(sql)
    fields = found.schema.jsonValue()["fields"]
    types = [field.dataType.simpleString() for field in found.schema.fields]
    if any(kind.startswith("interval") for kind in types):
        # Python has no months.
        found = found.selectExpr(*[f"CAST(`{name}` AS STRING)" for name in found.columns]) if len(set(found.columns)) == len(types) else found
        fields = found.schema.jsonValue()["fields"]
    rows = [[text(value, field["type"]) for value, field in zip(row, fields)] for row in found.collect()]
    return {"types": types, "rows": rows}


def main():
    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        # One row each: compiling takes longer than interpreting.
        .config("spark.sql.codegen.wholeStage", "false")
        .config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
        .config("spark.sql.adaptive.enabled", "false")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("OFF")
    seen = set()
    for name, sql in itertools.chain(examples(spark), statements()):
        if name in OF_TIME_AND_PLACE or sql in seen:
            continue
        seen.add(sql)
        try:
            first, second = answer(spark, sql), answer(spark, sql)
        except Exception as error:  # noqa: BLE001: an example that Spark refuses is one that shows an error
            first = second = {"error": str(getattr(error, "getCondition", lambda: None)() or type(error).__name__)}
        if first == second:
            print(json.dumps({"function": name, "sql": sql, **first}, ensure_ascii=False), flush=True)
        else:
            print(f"unstable: {sql}", file=sys.stderr)


main()
