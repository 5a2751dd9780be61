"""Runs Feast's SDK for what its servers have no call for: `apply`, which gives registered views their entity columns and their tables
in the online store, and joins. What is asked for is in `request.json`, the store in `feature_store.yaml`.

Exits with 75 where trying again later may help.
"""

import json
import pathlib
import sys
import traceback

TRY_AGAIN = 75

# What the client of Feast's offline server raises. By name: Arrow's Flight is there only where it is used.
AWAY = {"FlightUnavailableError", "FlightTimedOutError"}


def apply(store, names):
    views = [store.get_feature_view(name) for name in names]
    entities = {name: store.get_entity(name) for view in views for name in view.entities}
    store.apply([*entities.values(), *views])
    print(f"applied {', '.join(names)}", flush=True)


def join(store, asked):
    import pyarrow.parquet

    rows = pyarrow.parquet.read_table(asked["rows"]).to_pandas()
    found = store.get_historical_features(entity_df=rows, features=asked["features"], full_feature_names=True).to_arrow()
    pyarrow.parquet.write_table(found, asked["output"])
    print(f"{found.num_rows} rows with {len(asked['features'])} features", flush=True)


def is_away(error):
    """Whether a server could not be reached, which Feast tells by whatever its clients raise."""
    while error is not None:
        code = getattr(error, "code", None)
        if isinstance(error, (ConnectionError, TimeoutError)) or type(error).__name__ in AWAY:
            return True
        if callable(code) and "UNAVAILABLE" in str(code()):
            return True
        error = error.__cause__ or error.__context__
    return False


def main():
    from feast import FeatureStore

    asked = json.loads(pathlib.Path("request.json").read_text())
    try:
        store = FeatureStore(repo_path=".")
        if asked["apply"]:
            apply(store, asked["apply"])
        for part in asked["joins"]:
            join(store, part)
    except Exception as error:
        traceback.print_exc()
        return TRY_AGAIN if is_away(error) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
