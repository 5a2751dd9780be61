"""The same journey as a script, the way it is written without a platform: ADBC, PyIceberg, DuckDB, scikit-learn, MLflow.

Stands beside ours in the benchmarks. Rows, statements and training script are the same; nothing is retried, remembered or
checked. Prints one line of JSON with the seconds and the figures.

Usage: peer.py POSTGRES_URI MLFLOW_URI FOLDER
"""

import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
STREAMS = ["production.work_orders", "production.machine_logs", "production.quality_checks", "inventory.materials"]
COLUMNS = ["total_orders", "completed_orders", "total_units", "avg_duration_hours", "units_per_hour", "completion_rate"]
MODEL = "operator_efficiency_peer"


def main(postgres: str, mlflow_uri: str, folder: pathlib.Path) -> None:
    begin = time.monotonic()
    # Imported here: a script pays for its imports as a host pays for its start.
    import adbc_driver_postgresql.dbapi
    import duckdb
    from pyiceberg.catalog.sql import SqlCatalog

    catalog = SqlCatalog("peer", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}/warehouse")
    for namespace in ["bronze", "silver", "gold"]:
        catalog.create_namespace(namespace)

    def write(name: str, rows) -> None:
        catalog.create_table(name, schema=rows.schema).append(rows)

    copied = 0
    with adbc_driver_postgresql.dbapi.connect(postgres) as connection, connection.cursor() as cursor:
        for stream in STREAMS:
            cursor.execute(f"SELECT * FROM {stream}")
            rows = plain(cursor.fetch_arrow_table())
            write(f"bronze.{stream.split('.')[1]}", rows)
            copied += rows.num_rows

    duck = duckdb.connect()
    duck.register("source_data", catalog.load_table("bronze.work_orders").scan().to_arrow())
    silver = duck.execute(statement("silver.sql", {"unix_seconds(": "epoch("})).to_arrow_table()
    write("silver.work_orders", silver)
    duck.register("silver_work_orders", catalog.load_table("silver.work_orders").scan().to_arrow())
    gold = duck.execute(statement("gold.sql", {"iceberg.silver.work_orders": "silver_work_orders"})).to_arrow_table()
    write("gold.operator_efficiency", gold)

    features = folder / "features.parquet"
    catalog.load_table("gold.operator_efficiency").scan().to_pandas().to_parquet(features)
    accuracy = train_and_register(mlflow_uri, features)
    predictions = serve_and_ask(mlflow_uri)
    figures = {
        "seconds": time.monotonic() - begin,
        "records_copied": copied,
        "silver_rows": silver.num_rows,
        "gold_rows": gold.num_rows,
        "accuracy": accuracy,
        "predictions": predictions,
    }
    print(json.dumps(figures))


def plain(rows):
    """Without ADBC's own types, which Iceberg has no words for: a numeric stays the text that ADBC makes of it."""
    import pyarrow

    fields = [pyarrow.field(f.name, getattr(f.type, "storage_type", f.type), f.nullable) for f in rows.schema]
    return rows.cast(pyarrow.schema(fields))


def statement(file: str, words: dict[str, str]) -> str:
    text = (HERE / file).read_text().replace("CURRENT_TIMESTAMP()", "CURRENT_TIMESTAMP")
    for ours, theirs in words.items():
        text = text.replace(ours, theirs)
    return text


def train_and_register(mlflow_uri: str, features: pathlib.Path) -> float:
    import mlflow

    environment = os.environ | {
        "MLFLOW_TRACKING_URI": mlflow_uri,
        "MLFLOW_EXPERIMENT_NAME": MODEL,
        "ASGARD_FEATURES": str(features),
    }
    subprocess.run([sys.executable, HERE / "train.py"], env=environment, check=True, stdout=subprocess.DEVNULL)
    mlflow.set_tracking_uri(mlflow_uri)
    experiment = mlflow.get_experiment_by_name(MODEL).experiment_id
    model = mlflow.search_logged_models([experiment], max_results=1, output_format="list")[0]
    mlflow.register_model(model.model_uri, MODEL)
    return mlflow.search_runs([experiment], max_results=1)["metrics.accuracy"][0]


def serve_and_ask(mlflow_uri: str) -> list[int]:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--model-uri", f"models:/{MODEL}/1"]
    # It looks for `uvicorn` on the path, as in an activated environment.
    path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    server = subprocess.Popen(
        command,
        env=os.environ | {"MLFLOW_TRACKING_URI": mlflow_uri, "PATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until_it_answers(f"http://127.0.0.1:{port}/ping", server)
        operators = [
            [87, 85, 43_500, 8.2, 92.5, 0.977],
            [62, 45, 18_750, 9.5, 48.2, 0.726],
            [105, 98, 52_500, 7.8, 95.3, 0.933],
        ]
        body = json.dumps({"dataframe_split": {"columns": COLUMNS, "data": [list(map(float, row)) for row in operators]}})
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations", body.encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)["predictions"]
    finally:
        # The server's workers are in its session, not among its children's children that ending it would reach.
        os.killpg(server.pid, 9)
        server.wait()


def until_it_answers(url: str, server: subprocess.Popen) -> None:
    while server.poll() is None:
        try:
            with urllib.request.urlopen(url):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("mlflow models serve ended before it answered")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]))
