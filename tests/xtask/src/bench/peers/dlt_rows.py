"""Copies a table into Parquet files with dlt, in batches of Arrow. Argument: the source's URI."""

import pathlib
import sys

import dlt
from dlt.sources.sql_database import sql_table

uri = sys.argv[1].replace("postgresql://", "postgresql+psycopg2://")
folder = pathlib.Path.cwd()
pipeline = dlt.pipeline(
    "bench",
    destination=dlt.destinations.filesystem(bucket_url=f"file://{folder}/lake"),
    dataset_name="bronze",
    pipelines_dir=str(folder / "pipelines"),
)
orders = sql_table(credentials=uri, table="orders", schema="bench", backend="pyarrow", chunk_size=100_000)
print(pipeline.run(orders, write_disposition="replace", loader_file_format="parquet"))
