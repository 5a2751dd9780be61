"""The model's columns: what a request must have, checked in words before the model sees it."""

import json
import math

# MLflow's types of columns that are numbers to a model.
WHOLE = {"integer", "long"}
REAL = {"float", "double"}

# More rows than this belong into a batch job; they would keep a worker from all others.
MAX_ROWS = 100_000


class Unacceptable(Exception):
    """A request that does not fit the model. `field` is a path into the body."""

    def __init__(self, field, message):
        super().__init__(message)
        self.field = field


class Column:
    """One input of the model."""

    def __init__(self, name, kind, required, named):
        self.name = name
        self.kind = kind
        self.required = required
        # Whether the model knows it by its name, or only by its place.
        self.named = named
        self.numeric = kind in WHOLE or kind in REAL or kind == "boolean"

    def example(self):
        """A value of the column's type."""
        if self.kind == "boolean":
            return False
        if self.kind == "datetime":
            return "2026-01-01T00:00:00"
        return 0 if self.numeric else ""

    def check(self, value, field):
        """The value as the model takes it."""
        if value is None:
            if not self.required or self.kind in REAL:
                return math.nan if self.kind in REAL else None
            raise Unacceptable(field, f"column `{self.name}` needs a value: expected {self.words()}, found null")
        # In Python true and false are numbers.
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        fits = {
            "boolean": isinstance(value, bool) or value in (0, 1),
            "string": isinstance(value, str),
            "datetime": isinstance(value, str),
        }.get(self.kind, True)
        if self.kind in REAL or self.kind in WHOLE:
            fits = is_number or isinstance(value, bool)
        if self.kind in WHOLE and is_number and isinstance(value, float):
            fits = value.is_integer()
        if not fits:
            raise Unacceptable(field, f"column `{self.name}` takes {self.words()}, found {json.dumps(value)[:80]}")
        return value

    def words(self):
        """The type for people."""
        if self.kind in WHOLE:
            return "a whole number"
        if self.kind in REAL:
            return "a number"
        return {"boolean": "true or false", "string": "a text", "datetime": "a time such as 2026-01-01T00:00:00"}.get(
            self.kind, f"a value of type {self.kind}"
        )


def columns_of_signature(signature):
    """The columns that MLflow's signature tells; none without one, or where it tells no columns."""
    if not signature or not signature.get("inputs"):
        return []
    inputs = json.loads(signature["inputs"])
    if inputs and inputs[0].get("type") == "tensor":
        shape = inputs[0]["tensor-spec"]["shape"]
        if len(inputs) == 1 and len(shape) == 2 and shape[1] > 0:
            return [Column(f"x{index}", "double", True, named=False) for index in range(shape[1])]
        return []
    return [
        Column(each.get("name") or f"x{index}", each["type"], each.get("required", True), named=bool(each.get("name")))
        for index, each in enumerate(inputs)
        if isinstance(each.get("type"), str)
    ]


def rows_of(body, columns):
    """The rows of a request, in the order of the columns.

    `{"features": [[…]]}` gives them by place, `{"instances": [{…}]}` by name.
    """
    if not isinstance(body, dict):
        raise Unacceptable("", 'expected an object such as {"features": [[…]]}')
    given = [key for key in ("features", "instances") if key in body]
    if len(given) != 1:
        raise Unacceptable("features", 'expected either "features" (lists of values) or "instances" (objects by name)')
    key = given[0]
    entries = body[key]
    if not isinstance(entries, list) or not entries:
        raise Unacceptable(key, f"expected a list of one row or more, each {shape_words(key, columns)}")
    if len(entries) > MAX_ROWS:
        raise Unacceptable(key, f"{len(entries)} rows: at most {MAX_ROWS} in one request")
    read = by_place if key == "features" else by_name
    return [read(entry, f"{key}[{index}]", columns) for index, entry in enumerate(entries)]


def shape_words(key, columns):
    """What one row looks like, for people."""
    names = ", ".join(column.name for column in columns)
    if key == "instances":
        return f"an object with {names}" if names else "an object"
    return f"a list of {len(columns)} values ({names})" if columns else "a list of values"


def by_place(entry, field, columns):
    if not isinstance(entry, list):
        raise Unacceptable(field, f"expected {shape_words('features', columns)}")
    if not columns:
        return entry
    if len(entry) != len(columns):
        raise Unacceptable(field, f"expected {shape_words('features', columns)}, found {len(entry)}")
    return [column.check(value, f"{field}[{index}]") for index, (column, value) in enumerate(zip(columns, entry))]


def by_name(entry, field, columns):
    if not isinstance(entry, dict):
        raise Unacceptable(field, f"expected {shape_words('instances', columns)}")
    if not columns or not columns[0].named:
        raise Unacceptable(field, 'the model was logged without names of columns: send "features"')
    known = {column.name for column in columns}
    unknown = [name for name in entry if name not in known]
    if unknown:
        raise Unacceptable(f"{field}.{unknown[0]}", f"unknown column `{unknown[0]}`: expected {', '.join(sorted(known))}")
    row = []
    for column in columns:
        if column.name not in entry and column.required:
            raise Unacceptable(f"{field}.{column.name}", f"column `{column.name}` is missing: expected {column.words()}")
        row.append(column.check(entry.get(column.name), f"{field}.{column.name}"))
    return row


def frame(columns, rows):
    """The rows as a pandas frame with the columns' types."""
    import pandas as pd

    types = {"double": "float64", "float": "float32", "long": "int64", "integer": "int32", "boolean": "bool"}
    table = {}
    for index, column in enumerate(columns):
        values = pd.Series([row[index] for row in rows])
        if column.kind == "datetime":
            values = pd.to_datetime(values)
        elif column.kind in types and not values.isna().any():
            values = values.astype(types[column.kind])
        table[column.name] = values
    return pd.DataFrame(table)
