"""A model as MLflow stored it, behind one `predict`.

scikit-learn's models are loaded by themselves: MLflow's own loading would import all of MLflow first, which costs
seconds, and hides the probabilities. Every other flavour goes through `mlflow.pyfunc`; classifiers of XGBoost and LightGBM are
asked for their probabilities beside it.
"""

import os
import sys
import warnings

import numpy as np
import yaml

from columns import Column, columns_of_signature, frame

# Up to this many rows, asking a forest's trees one by one beats the thread pool that scikit-learn sets up per call.
FEW_ROWS = 1000

# Flavours whose models answer for each row alone, whatever rows are beside it. Somebody's own `PythonModel` may look at all of them,
# so requests of several callers are not put together for it.
BY_ROW = {"mlflow.sklearn", "mlflow.xgboost", "mlflow.lightgbm"}


def load(folder, name, version):
    """The model in `folder`.

    Raises whatever the model's own code raises: the log then has the reason why it does not come up.
    """
    with open(os.path.join(folder, "MLmodel"), encoding="utf-8") as file:
        description = yaml.load(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    flavours = description.get("flavors", {})
    # Modules that were logged with the model (`code_paths`).
    code = flavours.get("python_function", {}).get("code")
    if code:
        sys.path.insert(0, os.path.abspath(os.path.join(folder, code)))
    columns = columns_of_signature(description.get("signature"))
    if "sklearn" in flavours:
        estimator = load_sklearn(folder, flavours["sklearn"])
        return Model(name, version, SklearnPredictor(estimator, columns))
    if "python_function" not in flavours:
        sys.exit(f"the model has the flavours {', '.join(flavours)}, none of which can be served: log it with one that "
                 "has `python_function`")
    by_row = flavours["python_function"].get("loader_module") in BY_ROW
    return Model(name, version, PyfuncPredictor(folder, columns, by_row))


def load_sklearn(folder, flavour):
    """The estimator, by the format that it was written in."""
    path = os.path.join(folder, flavour["pickled_model"])
    form = flavour.get("serialization_format", "pickle")
    if form == "skops":
        import skops.io

        return skops.io.load(path, trusted=flavour.get("skops_trusted_types"))
    # `cloudpickle` writes what `pickle` reads, as long as the package is there.
    import pickle

    with open(path, "rb") as file:
        return pickle.load(file)


class Model:
    """What is served, under its name."""

    def __init__(self, name, version, predictor):
        self.name = name
        self.version = version
        self.predictor = predictor
        self.columns = predictor.columns
        # Whether rows of several requests may be put together.
        self.by_row = predictor.by_row
        predictor.warm_up()

    def predict(self, rows):
        """Predictions and, from a classifier that has them, probabilities of its classes; both as plain lists."""
        with warnings.catch_warnings():
            # Names are checked before: that an array has none is no news.
            warnings.simplefilter("ignore")
            predictions, probabilities = self.predictor.predict(rows)
        return plain(predictions), None if probabilities is None else plain(probabilities)

    def classes(self):
        """The order of the probabilities."""
        classes = self.predictor.classes()
        return None if classes is None else plain(classes)


def plain(values):
    """Arrays and lists of them as lists that JSON knows; a frame as its rows by name."""
    if type(values).__name__ == "DataFrame":
        return [dict(zip(map(str, values.columns), row)) for row in plain(values.to_numpy())]
    for attribute in ("to_numpy", "tolist"):
        if hasattr(values, attribute):
            return plain(getattr(values, attribute)())
    return [plain(each) for each in values] if isinstance(values, list) else values


class SklearnPredictor:
    """An estimator of scikit-learn, or one that looks like it."""

    by_row = True

    def __init__(self, estimator, columns):
        self.estimator = estimator
        self.columns = columns or columns_of_estimator(estimator)
        self.gives_probabilities = callable(getattr(estimator, "predict_proba", None))
        self.as_frame = False
        self.trees = None

    def classes(self):
        return getattr(self.estimator, "classes_", None) if self.gives_probabilities else None

    def warm_up(self):
        """Finds out how the estimator wants its rows, and pays for what the first prediction would load."""
        if not self.columns:
            return
        row = [[column.example() for column in self.columns]]
        numeric = all(column.numeric for column in self.columns)
        # Arrays spare the detour over pandas. Who selects columns by name, or has texts, needs a frame.
        self.as_frame = not (numeric and works(self.predict, row))
        if self.as_frame:
            works(self.predict, row)
        else:
            self.trees = trees_of(self.estimator, np.asarray(row, dtype=np.float64))

    def predict(self, rows):
        if self.as_frame:
            given = frame(self.columns, rows)
        elif self.columns and not all(column.numeric for column in self.columns):
            given = np.asarray(rows, dtype=object)
        else:
            given = np.asarray(rows, dtype=np.float64)
            if self.trees is not None and len(rows) <= FEW_ROWS:
                probabilities = sum_of_trees(self.trees, given)
                if probabilities is not None:
                    return self.estimator.classes_.take(probabilities.argmax(axis=1)), probabilities
        predictions = self.estimator.predict(given)
        return predictions, self.estimator.predict_proba(given) if self.gives_probabilities else None


class PyfuncPredictor:
    """Any other flavour."""

    def __init__(self, folder, columns, by_row):
        import mlflow.pyfunc

        self.model = mlflow.pyfunc.load_model(folder)
        self.columns = columns
        self.by_row = by_row
        self.classifier = classifier_of(self.model) if by_row else None

    def classes(self):
        return getattr(self.classifier, "classes_", None)

    def warm_up(self):
        if self.columns:
            works(self.predict, [[column.example() for column in self.columns]])

    def predict(self, rows):
        named = self.columns and self.columns[0].named
        given = frame(self.columns, rows) if named else np.asarray(rows)
        return self.model.predict(given), None if self.classifier is None else self.classifier.predict_proba(given)


def classifier_of(model):
    """What stands behind MLflow's own interface, if it tells probabilities: the classifiers of XGBoost and LightGBM do."""
    try:
        raw = model.get_raw_model()
    except (AttributeError, NotImplementedError):
        return None
    return raw if callable(getattr(raw, "predict_proba", None)) else None


def works(predict, row):
    """Whether a made-up row goes through. One that does not is no fault of the model: it may know better."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            predict(row)
    except Exception:  # The model's code may raise anything.
        return False
    return True


def columns_of_estimator(estimator):
    """What an estimator remembers of its training, for models without a signature."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        return [Column(str(name), "double", True, named=True) for name in names]
    return [Column(f"x{index}", "double", True, named=False) for index in range(getattr(estimator, "n_features_in_", 0))]


def trees_of(estimator, sample):
    """The trees of a forest classifier, if asking them one by one gives what the forest itself gives."""
    ensemble = sys.modules.get("sklearn.ensemble")
    if ensemble is None or not isinstance(estimator, (ensemble.RandomForestClassifier, ensemble.ExtraTreesClassifier)):
        return None
    if getattr(estimator, "n_outputs_", 1) != 1:
        return None
    trees = estimator.estimators_
    ours = sum_of_trees(trees, sample)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = estimator.predict_proba(sample)
    return trees if ours is not None and np.allclose(ours, theirs, rtol=1e-9, atol=1e-12) else None


def sum_of_trees(trees, rows):
    """The mean of the trees' probabilities; None where the rows need the forest's own checks."""
    narrow = np.ascontiguousarray(rows, dtype=np.float32)
    if not np.isfinite(narrow).all():
        return None
    total = trees[0].predict_proba(narrow, check_input=False)
    for tree in trees[1:]:
        total = total + tree.predict_proba(narrow, check_input=False)
    return total / len(trees)
