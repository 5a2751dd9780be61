//! Training scripts as local processes; experiments and model registry of an MLflow server.
