"""Models of scikit-learn with its defaults, on the rows that a job trains and tests on, before anything is fitted."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, mean_absolute_error, r2_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.readers import read
from wattrain_worker.data.samples import gather, with_known_classes, without_missing
from wattrain_worker.data.sources import fetched
from wattrain_worker.data.split import TEST, TRAIN, deal


class Rows(NamedTuple):
    """The rows of a job's training and test splits."""

    features: dict[str, npt.NDArray[np.float64]]
    """By split: [rows, columns], NaN: missing; of texts, indices."""
    labels: dict[str, npt.NDArray[Any]]
    are_texts: npt.NDArray[np.bool_]
    is_regression: bool


def rows_of(spec: TrainingJobSpec) -> Rows:
    """The rows as the preparation of `spec` reads and deals them."""
    data, recipe = spec.data, spec.recipe
    if data is None or recipe is None:
        raise ValueError("a job with data and a recipe")
    table = read(fetched(data.source), data.missing_values)
    samples = gather(table, data, recipe.name, recipe.params)
    samples = with_known_classes(without_missing(samples, data.clean.missing))
    dealt = deal(data.split, samples.digests, samples.occurrences, samples.labels.codes, samples.keys)
    numbers = samples.labels.numbers
    labels = samples.labels.codes if numbers is None else numbers
    splits = {"train": dealt == TRAIN, "test": dealt == TEST}
    return Rows(
        {split: samples.features.at(np.flatnonzero(rows)) for split, rows in splits.items()},
        {split: labels[rows] for split, rows in splits.items()},
        np.array([texts is not None for texts in samples.texts]),
        numbers is not None,
    )


def boosting_metrics(rows: Rows) -> dict[str, float]:
    """Test metrics of histogram-based gradient boosting, which knows categories and missing values."""
    kind = HistGradientBoostingRegressor if rows.is_regression else HistGradientBoostingClassifier
    return _metrics(kind(categorical_features=rows.are_texts, random_state=0), rows)


def linear_metrics(rows: Rows) -> dict[str, float]:
    """Test metrics of ridge or logistic regression: numbers scaled, their means filled in and told, texts one-hot."""
    prepared = make_column_transformer(
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ~rows.are_texts),
        (OneHotEncoder(handle_unknown="ignore"), rows.are_texts),
    )
    return _metrics(make_pipeline(prepared, Ridge() if rows.is_regression else LogisticRegression(max_iter=2000)), rows)


def _metrics(model: Any, rows: Rows) -> dict[str, float]:
    model.fit(rows.features["train"], rows.labels["train"])
    labels, predicted = rows.labels["test"], model.predict(rows.features["test"])
    if rows.is_regression:
        return {"r2": r2_score(labels, predicted), "mae": mean_absolute_error(labels, predicted)}
    scores = model.predict_proba(rows.features["test"])
    two = scores.shape[1] == 2
    area = roc_auc_score(labels, scores[:, 1] if two else scores, multi_class="ovr", labels=model.classes_)
    return {"accuracy": accuracy_score(labels, predicted), "rocAuc": area}
