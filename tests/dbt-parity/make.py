"""Makes `compiled.jsonl`: what a real dbt compiles `models/*.sql` to.

    python3 make.py [MODEL ...]        # a Python with dbt-core 1.11 and dbt-trino 1.11

Each model is compiled in a project of its own, so that one that dbt refuses stops no other. One line a model: its SQL, that of
an incremental run where it asks for one, and what it said in `config`; or the error. Nothing is asked of a Trino: whether a run is
incremental is said by a variable, and `introspect` is off.

A model that holds macros of its own is compiled with them in the project's `macros`, which is where dbt reads macros. The
package `dbt_utils` is the text that the crate `asgard-dbt` brings: dbt renders it too.
"""

import json
import pathlib
import re
import shutil
import sys
import tempfile

import yaml
from dbt.cli.main import dbtRunner

HERE = pathlib.Path(__file__).parent
DBT_UTILS = HERE / "../../sdk/dbt/src/macros/dbt_utils.sql"
MACRO = re.compile(r"\{%-?\s*macro\b.*?\bendmacro\s*-?%\}", re.DOTALL)
SCENE = json.loads((HERE / "scene.json").read_text())

# `incremental` stands in for the look at Trino; a schema is what the model says, without the target's in front.
PROJECT_MACROS = """
{% macro is_incremental() %}{{ return(var('incremental')) }}{% endmacro %}
{% macro generate_schema_name(custom, node) %}{{ custom or target.schema }}{% endmacro %}
"""

# What `config` of a compiled model says beside what the model told it.
DEFAULTS = {
    "alias": None, "schema": None, "database": None, "tags": [], "meta": {}, "group": None, "materialized": "view",
    "incremental_strategy": None, "batch_size": None, "lookback": 1, "begin": None, "persist_docs": {}, "post-hook": [],
    "pre-hook": [], "quoting": {}, "column_types": {}, "full_refresh": None, "unique_key": None, "enabled": True,
    "on_schema_change": "ignore", "on_configuration_change": "apply", "grants": {}, "packages": [], "docs": None,
    "contract": None, "event_time": None, "concurrent_batches": None, "access": "protected", "freshness": None,
}


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))


def project(folder, name, sql):
    macros = MACRO.findall(sql)
    write(folder / "dbt_project.yml", {
        "name": "asgard", "version": "1.0.0", "config-version": 2, "profile": "asgard",
        "vars": {**SCENE["vars"], "incremental": False}, "flags": {"send_anonymous_usage_stats": False},
    })
    write(folder / "profiles.yml", {"asgard": {"target": SCENE["environment"], "outputs": {SCENE["environment"]: {
        "type": "trino", "method": "none", "user": "gold", "host": "127.0.0.1", "port": 9, "database": "iceberg",
        "schema": "gold", "threads": 1,
    }}}})
    write(folder / "macros/project.sql", PROJECT_MACROS)
    write(folder / "macros/own.sql", "\n".join(macros))
    write(folder / "dbt_packages/dbt_utils/dbt_project.yml", {
        "name": "dbt_utils", "version": "1.0.0", "config-version": 2, "macro-paths": ["macros"],
    })
    write(folder / "dbt_packages/dbt_utils/macros/dbt_utils.sql", DBT_UTILS.read_text() if DBT_UTILS.exists() else "")
    write(folder / f"models/{name}.sql", MACRO.sub("", sql))
    for model, (schema, table) in SCENE["models"].items():
        write(folder / f"models/{model}.sql", f"{{{{ config(schema='{schema}', alias='{table}') }}}} SELECT 1 AS id")
    write(folder / "models/sources.yml", {"version": 2, "sources": [
        {"name": schema, "database": "iceberg", "schema": schema, "tables": [{"name": table} for table in tables]}
        for schema, tables in SCENE["sources"].items()
    ]})


def message(result):
    told = [str(result.exception)] if result.exception else [str(node.message) for node in result.result.results]
    lines = [line.strip() for line in "\n".join(told).splitlines() if line.strip()]
    headings = ("Compilation Error", "Encountered an error", "Parsing Error", "Runtime Error")
    return next((line for line in lines if not line.startswith(headings)), "no reason")


def compiled(folder, name, incremental):
    arguments = ["compile", "--quiet", "--no-introspect", "--no-populate-cache", "--no-partial-parse", "--select", name,
                 "--project-dir", str(folder), "--profiles-dir", str(folder), "--target-path", str(folder / "target"),
                 "--log-path", str(folder / "logs"), "--vars", json.dumps({"incremental": incremental})]
    result = dbtRunner().invoke(arguments)
    if not result.success:
        return {"error": message(result)}
    if not result.result.results:
        return {"error": "nothing is compiled: the model is not enabled"}
    node = result.result.results[0].node
    told = {key: value for key, value in node.config.to_dict(omit_none=False).items()
            if key not in ("docs", "contract") and value != DEFAULTS.get(key)}
    for hook in ("pre-hook", "post-hook"):
        if hook in told:
            told[hook] = [each["sql"] for each in told[hook]]
    return {"sql": node.compiled_code, "config": told}


def lines(sql):
    """Lines that are not empty, without the spaces at their ends."""
    return [line.rstrip() for line in sql.strip().splitlines() if line.strip()]


KEPT = HERE / "compiled.jsonl"
files = {file.stem: file for file in HERE.glob("models/*.sql")}
known = {case["model"]: case for case in map(json.loads, KEPT.read_text().splitlines())} if KEPT.exists() else {}
for name in sys.argv[1:] or files:
    sql = files[name].read_text()
    case = {"model": name}
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        project(folder, name, sql)
        first = compiled(folder, name, False)
        case |= first if "error" in first else {"sql": lines(first["sql"]), "config": first["config"]}
        if "is_incremental" in sql and "error" not in first:
            case["incremental"] = lines(compiled(folder, name, True)["sql"])
    finally:
        shutil.rmtree(folder)
    known[name] = case
KEPT.write_text("".join(json.dumps(known[name], ensure_ascii=False) + "\n" for name in sorted(files)))
