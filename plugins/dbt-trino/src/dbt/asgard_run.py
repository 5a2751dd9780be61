"""Runs one model of the project that lies beside this file.

The files of a process are read where they are. Those of a Job are gone with its pod, and its project cannot be written to: there the
project is copied first, and what dbt left is printed at the end.
"""

import json
import os
import pathlib
import shutil
import sys
import tempfile

from dbt.cli.main import dbtRunner

MARK = "asgard-dbt-results: "


def left(project, name):
    try:
        return json.loads((project / "target" / name).read_text())
    except (OSError, ValueError):
        return None


def main(model):
    # A volume's files are links into a folder that is replaced as a whole.
    project = pathlib.Path(__file__).resolve().parent
    printed = os.environ.get("ASGARD_PRINT_RESULTS") == "1"
    if printed:
        project = pathlib.Path(shutil.copytree(project, pathlib.Path(tempfile.mkdtemp()) / "project"))
    os.chdir(project)
    result = dbtRunner().invoke(
        ["--no-use-colors", "run", "--select", model, "--project-dir", ".", "--profiles-dir", "."]
    )
    if printed:
        manifest = left(project, "manifest.json")
        # Without dbt's own macros, a megabyte of them.
        nodes = {"nodes": manifest["nodes"]} if manifest else None
        print(MARK + json.dumps({"run_results": left(project, "run_results.json"), "manifest": nodes}), flush=True)
    if result.exception is not None:
        print(f"dbt: {result.exception}", flush=True)
        return 2
    return 0 if result.success else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
