"""Makes `cases.jsonl`: what a real Trino answers to `statements.sql`.

    python3 make.py http://127.0.0.1:8080 < statements.sql > cases.jsonl

One line a case: the statement, the types of its columns, and its rows, each value as a text that says the same for every engine,
as `../spark/make.py` has them; or that Trino refuses it, with its name of the error.
"""

import base64
import json
import sys
import urllib.request

# Without the last, times are told in milliseconds.
HEADERS = {"X-Trino-User": "parity", "X-Trino-Time-Zone": "UTC", "X-Trino-Client-Capabilities": "PARAMETRIC_DATETIME"}


def split(inner):
    """At the commas that are in no brackets."""
    parts, depth, part = [], 0, ""
    for character in inner:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append(part.strip())
            part = ""
        else:
            part += character
    return [*parts, part.strip()]


def text(value, kind):
    if value is None:
        return None
    name, _, inner = kind.partition("(")
    inner = inner[:-1] if inner.endswith(")") else inner
    if name == "array":
        return [text(each, inner) for each in value]
    if name == "map":
        keys, values = split(inner)
        return {"map": sorted(([text(key, keys), text(each, values)] for key, each in value.items()), key=json.dumps)}
    if name == "row":
        fields = [part.split(" ", 1) if " " in part else ["", part] for part in split(inner)]
        return {"struct": [[field.strip('"'), text(each, of)] for (field, of), each in zip(fields, value)]}
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if name == "varbinary":
        return base64.b64decode(value).hex()
    if kind.endswith("with time zone") or name == "timestamp":
        day, time, *zone = value.split(" ")
        assert not zone or zone == ["UTC"], value
        return f"{day}T{time.rstrip('0').rstrip('.') if '.' in time else time}{'Z' if zone else ''}"
    return str(value)


def ask(server, statement):
    request = urllib.request.Request(f"{server}/v1/statement", statement.encode(), HEADERS)
    types, rows = [], []
    while True:
        with urllib.request.urlopen(request) as response:
            page = json.load(response)
        if "error" in page:
            return {"error": page["error"]["errorName"]}
        types = [column["type"] for column in page.get("columns", [])] or types
        rows += [[text(value, kind) for value, kind in zip(row, types)] for row in page.get("data", [])]
        if "nextUri" not in page:
            return {"types": types, "rows": rows}
        request = urllib.request.Request(page["nextUri"], headers=HEADERS)


for line in sys.stdin:
    statement = line.strip()
    if statement and not statement.startswith("--"):
        try:
            answer = ask(sys.argv[1], statement)
        except AssertionError as error:
            print(f"left out: {statement}: {error}", file=sys.stderr)
            continue
        print(json.dumps({"sql": statement, **answer}, ensure_ascii=False), flush=True)
