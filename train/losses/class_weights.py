"""How much each class counts, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

__all__ = ["CLASS_WEIGHTS"]


def _inverse_frequency(prior: Sequence[float], counts: Sequence[int]) -> list[float]:
    """1 / (classes * prior). Of draws, not of the dataset: what sampling has evened out already
    is not evened out twice, and the mean weight of a draw is 1."""
    return (1 / (len(prior) * np.array(prior))).tolist()


def _effective_number(prior: Sequence[float], counts: Sequence[int]) -> list[float]:
    """(1 - b) / (1 - b ** n), scaled to mean 1 over classes, with b = 0.9999: Cui et al. 2019
    (arXiv 1901.05555, equation 4); what LDAM's authors use. Of the dataset, however it is drawn."""
    numbers = -np.expm1(np.maximum(np.array(counts, np.float64), 1) * np.log(0.9999))
    occurs = np.array(counts) > 0
    weights = 1 / numbers / (1 / numbers[occurs]).mean()
    return np.where(occurs, weights, 1.0).tolist()


CLASS_WEIGHTS: dict[str, Callable[[Sequence[float], Sequence[int]], list[float] | None]] = {
    "none": lambda prior, counts: None,
    "inverse-frequency": _inverse_frequency,
    "effective-number": _effective_number,
}
