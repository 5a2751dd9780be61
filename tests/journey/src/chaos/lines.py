"""A connector of the Airbyte protocol: the lines of a file, in order. Slow, so that it is in the middle when something happens to it."""

import json
import sys
import time

STREAM = {"name": "lines", "supported_sync_modes": ["full_refresh", "incremental"], "source_defined_cursor": True,
          "json_schema": {"properties": {"number": {"type": "integer"}, "word": {"type": "string"}}}}


def say(kind, **fields):
    print(json.dumps({"type": kind, **fields}), flush=True)


def option(name):
    with open(sys.argv[sys.argv.index(name) + 1]) as file:
        return json.load(file)


def reached():
    """How many lines an earlier run has told."""
    if "--state" not in sys.argv:
        return 0
    states = option("--state")
    return states[0]["stream"]["stream_state"]["reached"] if states else 0


def state(number):
    stream = {"stream_descriptor": {"name": "lines"}, "stream_state": {"reached": number}}
    say("STATE", state={"type": "STREAM", "stream": stream})


command = sys.argv[1]
if command == "check":
    say("CONNECTION_STATUS", connectionStatus={"status": "SUCCEEDED"})
elif command == "discover":
    say("CATALOG", catalog={"streams": [STREAM]})
elif command == "read":
    with open(option("--config")["file"]) as file:
        lines = file.read().splitlines()
    start = reached()
    for number, word in enumerate(lines[start:], start):
        record = {"stream": "lines", "data": {"number": number, "word": word}, "emitted_at": int(time.time() * 1000)}
        say("RECORD", record=record)
        time.sleep(0.002)
        if number % 10 == 9:
            state(number + 1)
    state(len(lines))
