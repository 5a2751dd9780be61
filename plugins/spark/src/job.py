"""One silver run on Spark: SQL over named inputs, its result in one Iceberg table, exactly once.

    job.py PART...           the request as JSON, in parts no longer than an operating system takes
    job.py @FILE             the request in a file

The request is what the plugin writes (`request.rs`). Secrets are in the environment, never in it: AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN for files, ICEBERG_TOKEN or ICEBERG_CREDENTIAL for the catalog.

Standard output has lines of `ASGARD` and a JSON object: one with `started`, and at the end one with `done` or `failed`.

The commit carries the run's key in its snapshot's summary, with all that `done` tells. A job that is run again finds it and
writes nothing; of two that run at once the second to append is refused by the catalog, looks again and finds the first.
"""

import contextlib
import io
import json
import os
import re
import signal
import socket
import sys
import threading

VERSION = 1
# The lakehouse, as statements name it.
CATALOG = "iceberg"
# As the embedded engine has it: errors instead of nulls and wrapped numbers, and one zone for everybody.
MEANING = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
    "spark.sql.caseSensitive": "false",
    "spark.sql.storeAssignmentPolicy": "ANSI",
}
# What the embedded engine calls the same in its commits' summaries.
KEY, ROWS_READ, BYTES_READ = "asgard.commit-key", "asgard.rows-read", "asgard.bytes-read"
JSON_LINES = "*.{json,jsonl,ndjson}"
# Attempts to append while others append to the same table.
ATTEMPTS = 10
# How Iceberg and Spark say that they lost a race.
RACED = (
    "Found conflicting files",
    "Cannot determine history",
    "TABLE_OR_VIEW_ALREADY_EXISTS",
    "CommitFailedException",
    "AlreadyExistsException",
)
# What is said of a backend that may be back in a moment. The last two are Iceberg's, of an exchange with the catalog that broke and of a
# commit that may be there or not: whoever runs the job again looks for its commit first.
AWAY = (
    "Connection refused",
    "UNAVAILABLE",
    "UnknownHost",
    "timed out",
    "TimeoutException",
    "KubernetesClientException",
    "RESTException: Error occurred while processing",
    "CommitStateUnknownException",
)
# Kubernetes keeps 4096 bytes of what a container says at its end.
LAST_WORDS = "/dev/termination-log"
# Of a statement: strings, raw ones too, names, comments, and all else by the character.
TOKEN = re.compile(
    r"""r'[^']*' | r"[^"]*" | '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" | `(?:[^`]|``)*` | --[^\n]* | /\*.*?\*/ | .""",
    re.DOTALL | re.VERBOSE | re.IGNORECASE,
)
# What Spark's messages are made of.
CONDITION = re.compile(r"\[([A-Z][A-Z0-9_.]+)\] (.*?)\s*SQLSTATE: ([0-9A-Z]{5})", re.DOTALL)
# Types that a column may change between. Iceberg has no whole numbers below `integer`.
WIDER = (
    ("byte", "integer"),
    ("short", "integer"),
    ("byte", "long"),
    ("short", "long"),
    ("integer", "long"),
    ("float", "double"),
)
# SQLSTATE classes that the statement, or the data that it reads, is to blame for.
OF_THE_STATEMENT = ("07", "0A", "20", "21", "22", "23", "38", "42", "44", "46", "54")


class Refused(Exception):
    """What is wrong with the request, in the contract's words."""

    def __init__(self, message, field="sql", kind="invalid-input"):
        super().__init__(message)
        self.kind, self.field = kind, field


def main(arguments):
    request = read_request(arguments)
    quiet()
    spark = None
    try:
        spark = session(request)
        say("started", about(spark))
        say("done", run(spark, request), last=True)
        status = 0
    except BaseException as error:
        if isinstance(error, SystemExit):
            raise
        say("failed", told(error), last=True)
        status = 1
    with contextlib.suppress(Exception):
        spark.stop()
    return status


def quiet():
    """Otherwise each failed statement is printed once more, with all of its frames."""
    with contextlib.suppress(ImportError):
        from pyspark.logger import PySparkLogger

        PySparkLogger.getLogger("SQLQueryContextLogger").disabled = True


def read_request(arguments):
    if len(arguments) == 1 and arguments[0].startswith("@"):
        with open(arguments[0][1:], encoding="utf-8") as file:
            request = json.load(file)
    else:
        request = json.loads("".join(arguments))
    if request["version"] != VERSION:
        sys.exit(f"this job program is of version {VERSION}, the request of {request['version']}: they come with one plugin")
    return request


def session(request):
    from pyspark.sql import SparkSession

    settings = {**request["settings"], **secrets(request), **MEANING, "spark.sql.defaultCatalog": CATALOG}
    if remote := request.get("remote"):
        return connect(remote, request["connect_seconds"], settings)
    builder = SparkSession.builder.appName(request["name"])
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("WARN")
    return spark


def secrets(request):
    """Settings that the request must not have."""
    catalog, found = f"spark.sql.catalog.{CATALOG}", {}
    # A session that is there already takes Hadoop's settings as its own, without the prefix.
    hadoop = "" if request.get("remote") else "spark.hadoop."
    for name, of_iceberg, of_hadoop in [
        ("AWS_ACCESS_KEY_ID", "s3.access-key-id", "access.key"),
        ("AWS_SECRET_ACCESS_KEY", "s3.secret-access-key", "secret.key"),
        ("AWS_SESSION_TOKEN", "s3.session-token", "session.token"),
    ]:
        if value := os.environ.get(name):
            # Executors get the catalog's settings with the tables; their own environment has no keys.
            found[f"{catalog}.{of_iceberg}"] = value
            found[f"{hadoop}fs.s3a.{of_hadoop}"] = value
    for name, of_iceberg in [("ICEBERG_TOKEN", "token"), ("ICEBERG_CREDENTIAL", "credential")]:
        if value := os.environ.get(name):
            found[f"{catalog}.{of_iceberg}"] = value
    return found


def connect(remote, seconds, settings):
    """A client without a server waits for ever, and nothing interrupts it: a thread ends the process."""
    from pyspark.sql import SparkSession

    late = threading.Timer(seconds, give_up, (f"Spark Connect at {remote} did not answer within {seconds} s",))
    late.daemon = True
    late.start()
    address = remote.removeprefix("sc://").split("/")[0]
    host, _, port = address.rpartition(":") if ":" in address else (address, "", "15002")
    try:
        socket.create_connection((host, int(port)), timeout=seconds).close()
    except OSError as error:
        raise Refused(f"Spark Connect at {remote} cannot be reached: {error}", kind="unavailable") from None
    spark = SparkSession.builder.remote(remote).create()

    def ended(*_):
        # The server would go on without its client, and commit.
        with contextlib.suppress(Exception):
            spark.interruptAll()
        os._exit(143)

    signal.signal(signal.SIGTERM, ended)
    for name, value in settings.items():
        spark.conf.set(name, value)
    late.cancel()
    return spark


def give_up(message):
    say("failed", told(Refused(message, kind="unavailable")), last=True)
    os._exit(1)


def about(spark):
    known = {"spark_version": spark.version}
    with contextlib.suppress(Exception):
        known["application_id"] = spark.sparkContext.applicationId
        known["ui"] = spark.sparkContext.uiWebUrl
    return {name: value for name, value in known.items() if value}


def run(spark, request):
    namespace, table = request["target"]
    target = f"{CATALOG}.{quoted(namespace)}.{quoted(table)}"
    if before := committed(spark, target, request["key"]):
        return before
    for view, of in request["inputs"]:
        register(spark, view, of)
    *views, query = statements(request["sql"])
    for view in views:
        spark.sql(view)
    frame = spark.sql(query)
    check(frame)
    notes = {KEY: request["key"], **reads(spark, frame)}
    spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {CATALOG}.{quoted(namespace)}")
    if request["write_mode"] == "append":
        append(spark, frame, target, request, notes)
    else:
        # One commit: readers see the table of before until it is done.
        writer(frame, target, notes).tableProperty("asgard.run", request["run_id"]).createOrReplace()
    done = committed(spark, target, request["key"])
    if not done:
        raise Refused(f"`{target}` was replaced by another writer as soon as it was written", kind="conflict")
    return done


def writer(frame, target, notes):
    # What the embedded engine sets: old metadata files go when a hundred newer ones are there.
    writer = frame.writeTo(target).using("iceberg").tableProperty("format-version", "2")
    writer = writer.tableProperty("write.metadata.delete-after-commit.enabled", "true")
    for name, value in notes.items():
        writer = writer.option(f"snapshot-property.{name}", value)
    return writer


def append(spark, frame, target, request, notes):
    from pyspark.sql.functions import lit

    for attempt in range(ATTEMPTS):
        if committed(spark, target, request["key"]):
            return
        try:
            if not spark.catalog.tableExists(target):
                writer(frame, target, notes).tableProperty("asgard.run", request["run_id"]).create()
                return
            snapshot = spark.sql(f"SELECT snapshot_id FROM {target}.refs WHERE name = 'main'").first()
            into = writer(fitting(spark, frame, target), target, notes).option("isolation-level", "serializable")
            if snapshot:
                into = into.option("validate-from-snapshot-id", str(snapshot[0]))
            # Deletes nothing, and is refused when anybody has added rows since then: a plain append never is, so that two
            # jobs of one run would both add theirs.
            into.overwrite(lit(False))
            return
        except Exception as error:
            if attempt + 1 == ATTEMPTS or not raced(error):
                raise


def raced(error):
    """Whether somebody else wrote to the table, or made it, meanwhile."""
    text = str(error)
    return any(mark in text for mark in RACED)


def fitting(spark, frame, target):
    """The rows by the table's columns: it takes new and wider ones, and has nulls where the rows have no column."""
    from pyspark.sql.functions import col, lit

    table = {field.name.lower(): field for field in spark.table(target).schema.fields}
    rows = {field.name.lower(): field for field in frame.schema.fields}
    for name, field in rows.items():
        of = field.dataType.simpleString()
        if name not in table:
            spark.sql(f"ALTER TABLE {target} ADD COLUMN {quoted(field.name)} {of}")
        elif wider(table[name].dataType, field.dataType):
            spark.sql(f"ALTER TABLE {target} ALTER COLUMN {quoted(table[name].name)} TYPE {of}")
        elif not fits(field.dataType, table[name].dataType):
            has = table[name].dataType.simpleString()
            raise Refused(f"column `{field.name}` is {has} in the table and {of} in the rows: cast it, or replace the table")
    columns = []
    for field in spark.table(target).schema.fields:
        own = rows.get(field.name.lower())
        value = col(quoted(own.name)) if own else lit(None)
        columns.append(value.cast(field.dataType).alias(field.name))
    return frame.select(*columns)


def fits(rows, table):
    """Whether values of the one type go into a column of the other. Of nested ones Spark knows more."""
    return rows == table or wider(rows, table) or rows.typeName() == table.typeName() in ("array", "map", "struct")


def wider(narrow, wide):
    """Whether Iceberg lets a column of the one type become the other."""
    names = narrow.typeName(), wide.typeName()
    if names in WIDER:
        return True
    return names == ("decimal", "decimal") and narrow.scale == wide.scale and narrow.precision < wide.precision


def check(frame):
    """Types that no table keeps are refused by the column's name."""
    for field in frame.schema.fields:
        of = field.dataType.simpleString()
        if re.search(r"\bvoid\b", of):
            raise Refused(f"the column `{field.name}` has no type, since all of it is NULL: write CAST(NULL AS …)")
        if "interval" in of:
            raise Refused(f"the column `{field.name}` is an interval, which no table keeps: turn it into a number, such as its seconds")


def register(spark, view, of):
    field = "source_path" if view == "source_data" else f"sources.{view}"
    try:
        if "table" in of:
            frame = spark.table(".".join([CATALOG, *map(quoted, of["table"])]))
        else:
            frame = located(spark, of["location"].rstrip("/"))
        frame.createOrReplaceTempView(quoted(view))
    except Refused as error:
        error.field = field
        raise
    except Exception as error:
        text = told(error)
        if text["kind"] in ("invalid-input", "unsupported"):
            raise Refused(text["message"], field) from None
        raise


def located(spark, location):
    """An Iceberg table's place, or files of Parquet or JSON lines, as the embedded engine takes them."""
    place = re.sub(r"^s3[an]?://", "s3://", location)
    for name in tables(spark, place):
        if re.sub(r"^s3[an]?://", "s3://", place_of(spark, name)) == place:
            return spark.table(name)
    files = re.sub(r"^s3://", "s3a://", place)
    reader = spark.read.option("recursiveFileLookup", "true")
    suffix = files.rsplit(".", 1)[-1].lower()
    if suffix in ("json", "jsonl", "ndjson"):
        return json_lines(spark, reader, files)
    try:
        of_parquet = reader if suffix == "parquet" else reader.option("pathGlobFilter", "*.parquet")
        return looked_at(of_parquet.parquet(files))
    except Exception as error:
        if "UNABLE_TO_INFER_SCHEMA" not in str(error):
            raise
    try:
        return json_lines(spark, reader.option("pathGlobFilter", JSON_LINES), files)
    except Exception as error:
        if "UNABLE_TO_INFER_SCHEMA" not in str(error):
            raise
        raise Refused(f"there is no Parquet and no JSON-lines file (.jsonl) at `{location}`") from None


def looked_at(frame):
    """Spark Connect looks at no file before it is asked for the columns."""
    _ = frame.schema
    return frame


def json_lines(spark, reader, files):
    frame = looked_at(reader.json(files))
    first = reader.text(files).first()
    if not first or not frame.columns:
        return frame
    # Spark sorts columns by name; the file has an order.
    order = {name: at for at, name in enumerate(json.loads(first[0]))}
    return frame.select(*map(quoted, sorted(frame.columns, key=lambda name: order.get(name, len(order)))))


def tables(spark, place):
    """Every table of the lakehouse, those that the place seems to name first."""
    found = []
    for (namespace,) in spark.sql(f"SHOW NAMESPACES IN {CATALOG}").collect():
        for row in spark.sql(f"SHOW TABLES IN {CATALOG}.{quoted(namespace)}").collect():
            found.append((row["tableName"] not in place, f"{CATALOG}.{quoted(namespace)}.{quoted(row['tableName'])}"))
    return [name for _, name in sorted(found)]


def reads(spark, frame):
    """Rows and bytes of the snapshots that the plan reads, once for each time that it reads them. Files that are no table's
    are not counted: Spark tells nobody."""
    plan = io.StringIO()
    with contextlib.redirect_stdout(plan):
        frame.explain(mode="simple")
    rows = size = 0
    for table, snapshot in re.findall(r"\bBatchScan [^\n]*?table=([^,\s]+)[^\n]*? snapshotId=(\d+)", plan.getvalue()):
        name = ".".join(map(quoted, table.split(".")[:3]))
        for _, summary in summaries(spark, name, f"WHERE snapshot_id = {snapshot}"):
            rows += int(summary.get("total-records", 0))
            size += int(summary.get("total-files-size", 0))
    return {ROWS_READ: str(rows), BYTES_READ: str(size)}


def committed(spark, target, key):
    """What the run's own commit did, where the table remembers it."""
    if not spark.catalog.tableExists(target):
        return None
    for snapshot, summary in summaries(spark, target):
        if summary.get(KEY) == key:

            def number(name):
                return int(summary.get(name, 0))

            return {
                "rows_written": number("added-records"),
                "bytes_written": number("added-files-size"),
                "rows_read": number(ROWS_READ),
                "bytes_read": number(BYTES_READ),
                "total_rows": number("total-records"),
                "snapshot": snapshot,
                "location": place_of(spark, target),
            }
    return None


def summaries(spark, table, which=""):
    """Snapshots with their summaries."""
    return [(row[0], row[1] or {}) for row in spark.sql(f"SELECT snapshot_id, summary FROM {table}.snapshots {which}").collect()]


def place_of(spark, table):
    described = spark.sql(f"DESCRIBE TABLE EXTENDED {table}").collect()
    return next((row[1].rstrip("/") for row in described if row[0] == "Location"), "")


def quoted(name):
    return "`" + name.replace("`", "``") + "`"


def statements(sql):
    """The statements of a script. Semicolons in strings, names and comments end none."""
    found, current = [], []
    for token in TOKEN.finditer(sql):
        if token[0] == ";":
            found.append("".join(current))
            current = []
        else:
            current.append(token[0])
    found.append("".join(current))
    return [one for one in found if re.sub(r"(?s)--[^\n]*|/\*.*?\*/|\s", "", one)]


def told(error):
    """An exception as an error of the contract. Spark's own words have a condition and an SQLSTATE, however deep they are."""
    if isinstance(error, Refused):
        return {"kind": error.kind, "field": error.field if error.kind == "invalid-input" else None, "message": str(error)}
    text = str(error)
    for condition, message, state in reversed(CONDITION.findall(text)):
        if state[:2] in OF_THE_STATEMENT:
            place = re.search(r"\(line (\d+), pos (\d+)\)", text) or re.search(r"line (\d+), (?:pos|position) (\d+)", text)
            at = f" (line {place[1]}, column {int(place[2]) + 1})" if place else ""
            return {"kind": "invalid-input", "field": "sql", "message": f"{message.strip()}{at} [{condition}]"}
    if "S3AFileSystem not found" in text or "software/amazon/awssdk" in text:
        message = "this Spark has no `hadoop-aws`, which reads files in S3: add it to Spark's jars, or read a table"
        return {"kind": "unsupported", "field": None, "message": message}
    kind = "unavailable" if any(mark in text for mark in AWAY) else "internal"
    lines = [line for line in text.strip().splitlines() if line.strip() and not line.startswith("\tat ")]
    return {"kind": kind, "field": None, "message": f"{type(error).__name__}: " + "\n".join(lines[:6])}


def say(what, body, last=False):
    if "message" in body:
        body["message"] = body["message"][:2000]
    line = f"ASGARD {json.dumps({what: body})}"
    print(line, flush=True)
    if last and os.path.exists(LAST_WORDS):
        with contextlib.suppress(OSError), open(LAST_WORDS, "w", encoding="utf-8") as file:
            file.write(line)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
