"""Statements of SQL on one engine, on files that somebody else wrote.

    sql_statements.py FOLDER duckdb|sail|spark PLAN [JAR ...]

PLAN is a JSON file: `{"rounds": N, "tables": {name: [file, …]}, "statements": [{"name": …, "sql": {engine: text}, "write": bool}]}`.
Every statement runs N times; what it writes goes to a Parquet file in the folder. Prints one JSON object: `{"seconds": {name: the
least}, "rows": {name: …}, "rss_mb": …}`. The start of the engine is not counted: one that stays up has it behind it.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

folder, engine, plan, *jars = sys.argv[1:]
plan = json.loads(pathlib.Path(plan).read_text())
out = pathlib.Path(folder) / "written"


class DuckDB:
    def __init__(self):
        import duckdb

        self.session = duckdb.connect()
        for name, files in plan["tables"].items():
            self.session.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({files})")

    def rows(self, sql):
        return len(self.session.execute(sql).fetchall())

    def write(self, sql):
        return self.session.execute(f"COPY ({sql}) TO '{out}' (FORMAT parquet, COMPRESSION zstd)").fetchone()[0]

    def rss(self):
        return memory("self")


class Spark:
    """Spark, and what speaks its protocol."""

    def __init__(self, session, server=None):
        self.session = session
        # It ends with its last reference.
        self.server = server
        for name, files in plan["tables"].items():
            session.read.parquet(*files).createOrReplaceTempView(name)

    def rows(self, sql):
        return len(self.session.sql(sql).collect())

    def write(self, sql):
        self.session.sql(sql).write.mode("overwrite").option("compression", "zstd").parquet(str(out))
        return None

    def rss(self):
        # The work is done in a child of this process.
        children = subprocess.run(["pgrep", "-P", str(os.getpid())], capture_output=True, text=True).stdout
        return max(memory(pid) for pid in ["self", *children.split()])


def memory(pid):
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def opened():
    if engine == "duckdb":
        return DuckDB()
    if engine == "sail":
        from pysail.spark import SparkConnectServer
        from pyspark.sql import SparkSession

        server = SparkConnectServer("127.0.0.1", 0)
        server.start(background=True)
        _, port = server.listening_address
        return Spark(SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate(), server)
    sys.path.append(str(pathlib.Path(__file__).parents[4] / "interop"))
    from spark import session

    # All of this machine, as we have it.
    settings = {"spark.master": "local[*]", "spark.driver.memory": "8g", "spark.sql.shuffle.partitions": "4"}
    return Spark(session(folder, jars, settings))


running = opened()
seconds, rows = {}, {}
for statement in plan["statements"]:
    name, sql = statement["name"], statement["sql"][engine]
    for _ in range(plan["rounds"]):
        start = time.monotonic()
        found = running.write(sql) if statement["write"] else running.rows(sql)
        took = time.monotonic() - start
        seconds[name] = min(took, seconds.get(name, took))
        rows[name] = found
        if out.is_dir():
            shutil.rmtree(out)
        out.unlink(missing_ok=True)
print(json.dumps({"seconds": seconds, "rows": rows, "rss_mb": running.rss()}))
