"""Learns which operators perform well, from the features that Asgard wrote beside this script.

The environment holds what is particular to the place where it runs: the tracking server and the experiment
(MLflow reads both itself), the features (ASGARD_FEATURES) and the column to learn (ASGARD_TARGET).
"""

import os

import mlflow
import pandas as pd
import sklearn
from mlflow.models import infer_signature
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score
from sklearn.model_selection import train_test_split

FEATURES = [
    "total_orders",
    "completed_orders",
    "total_units",
    "avg_duration_hours",
    "units_per_hour",
    "completion_rate",
]
TARGET = os.environ.get("ASGARD_TARGET", "is_high_performer")
PARAMETERS = {"n_estimators": 100, "max_depth": 5, "random_state": 42}

rows = pd.read_parquet(os.environ["ASGARD_FEATURES"])
features = rows[FEATURES].astype("float64")
target = rows[TARGET].astype("int64")
# Equal shares of both classes in both parts, where each class has the two rows that this takes.
stratify = target if target.value_counts().min() >= 2 else None
train, test, train_target, test_target = train_test_split(
    features, target, test_size=0.2, random_state=42, stratify=stratify
)
print(f"{len(train)} rows to train with, {len(test)} to test with")

with mlflow.start_run():
    mlflow.log_params({**PARAMETERS, "features": ",".join(FEATURES), "target": TARGET})
    model = RandomForestClassifier(**PARAMETERS).fit(train, train_target)

    predicted = model.predict(test)
    scores = {
        "accuracy": accuracy_score(test_target, predicted),
        "precision": precision_score(test_target, predicted, zero_division=0),
        "recall": recall_score(test_target, predicted, zero_division=0),
        "f1": f1_score(test_target, predicted, zero_division=0),
    }
    importances = {f"importance_{name}": value for name, value in zip(FEATURES, model.feature_importances_)}
    mlflow.log_metrics({**scores, **importances, "train_rows": len(train), "test_rows": len(test)})

    mlflow.sklearn.log_model(
        model,
        name="model",
        signature=infer_signature(train, predicted),
        input_example=train.head(2),
        # Named, because MLflow would otherwise load the model in a second interpreter to see what it imports: 6 s.
        pip_requirements=[f"scikit-learn=={sklearn.__version__}", f"pandas=={pd.__version__}"],
        # Loads without the audit of types, whose import alone takes 3 s. The model is this script's own.
        serialization_format="cloudpickle",
    )

print(", ".join(f"{name} {value:.3f}" for name, value in scores.items()))
