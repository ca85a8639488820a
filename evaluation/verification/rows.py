"""The rows that the tables of all 1:1 protocols share; measures nothing."""

from __future__ import annotations

from evaluation.verification.measures import FoldAccuracy


def accuracy_rows(accuracy: FoldAccuracy) -> list[list[str]]:
    """Accuracy over the folds, its standard error, and the standard deviation of the folds, in percent."""
    return [
        ["accuracy, %", f"{100 * accuracy.mean:.2f}"],
        ["standard error, %", f"{100 * accuracy.standard_error:.2f}"],
        ["standard deviation of folds, %", f"{100 * accuracy.standard_deviation:.2f}"],
    ]
