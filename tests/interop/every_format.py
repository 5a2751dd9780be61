"""The same thousand rows in every format that the connector `files` reads, in a folder and in a bucket.

    every_format.py FOLDER ENDPOINT ACCESS_KEY SECRET_KEY BUCKET/PREFIX

Needs: pyarrow.
"""

import gzip
import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import S3FileSystem

ROWS = [
    {"id": n, "words": f"žluťoučký, \"{n}\"", "price": n / 4, "day": f"2024-02-{1 + n % 29:02}", "yes": n % 2 == 0}
    for n in range(1000)
]


def csv(delimiter: str) -> bytes:
    quoted = [[str(n["id"]), '"' + n["words"].replace('"', '""') + '"', str(n["price"]), n["day"], str(n["yes"]).lower()] for n in ROWS]
    return "\n".join(delimiter.join(line) for line in [list(ROWS[0]), *quoted]).encode()


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


def parquet() -> bytes:
    table = pa.Table.from_pylist(ROWS)
    day = table.schema.get_field_index("day")
    table = table.set_column(day, "day", table["day"].cast(pa.date32()))
    sink = pa.BufferOutputStream()
    # Several groups of rows: each is fetched by a range of its own.
    pq.write_table(table, sink, row_group_size=300)
    return sink.getvalue().to_pybytes()


def main(folder: Path, endpoint: str, access_key: str, secret_key: str, prefix: str) -> None:
    lines = "\n".join(json.dumps(row) for row in ROWS).encode()
    files = {
        "plain.csv": csv(","),
        "tabs.tsv": csv("\t"),
        "packed.csv.gz": gzip.compress(csv(";")),
        "packed.csv.zst": zstd(csv(",")),
        "lines.jsonl": lines,
        "packed.jsonl.gz": gzip.compress(lines),
        "packed.jsonl.zst": zstd(lines),
        "rows.parquet": parquet(),
    }
    scheme, _, address = endpoint.partition("://")
    store = S3FileSystem(
        access_key=access_key, secret_key=secret_key, endpoint_override=address, scheme=scheme, region="us-east-1"
    )
    for name, data in files.items():
        (folder / name).write_bytes(data)
        with store.open_output_stream(f"{prefix}/{name}", compression=None) as stream:
            stream.write(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
