"""A model as shares of the others: what the compression saved, in one number each."""

from __future__ import annotations

from collections.abc import Sequence

from .results import Saving, Subject

__all__ = ["ISIC_2020_WINNER", "savings"]

# The winner of SIIM-ISIC 2020 (Ha, Liu and Liu, arXiv 2010.05351, table of 18 networks in their
# repository): EfficientNet B3, 5 x B4, 4 x B5, 3 x B6, 3 x B7, ResNeSt-101, SE-ResNeXt-101.
# Millions of parameters by Tan and Le (arXiv 1905.11946, table 2), Zhang et al. (arXiv 2004.08955,
# table 3), and Hu et al.'s SE-ResNeXt-101 (32 x 4d) as released. One fold; five were averaged.
ISIC_2020_WINNER = round(1e6 * (12 + 5 * 19 + 4 * 30 + 3 * 43 + 3 * 66 + 48.3 + 49.0))


def _share(own: float | None, other: float | None) -> float | None:
    return own / other if own is not None and other else None


def _latency(model: Subject, against: Subject) -> tuple[dict[str, float], str]:
    """Shares by the model's threads, and what the other computed on if not on as many.

    Keras computes on every core, or on a GPU, whatever the model's threads are.
    """
    theirs = {timed.threads: timed.inference.median for timed in against.latency}
    if against.role in ("baseline", "published") and theirs:
        [(cores, other)] = theirs.items()
        shares = {str(t.threads): t.inference.median / other for t in model.latency}
        return shares, f"{cores} threads" if cores else against.device.upper()
    same = [t for t in model.latency if t.threads in theirs]
    return {str(t.threads): t.inference.median / theirs[t.threads] for t in same}, ""


def savings(subjects: Sequence[Subject]) -> tuple[Saving, ...]:
    """The first model beside every other model, the baseline and the published networks."""
    models = [s for s in subjects if s.role == "model"]
    if not models:
        return ()
    first = models[0]
    others = [s for s in subjects if s is not first and s.role != "peer"]
    timed = [_latency(first, other) for other in others]
    return tuple(
        Saving(
            model=first.name,
            against=other.name,
            latency=latency,
            beside=beside,
            file=_share(first.size.file, other.size.file),
            parameters=_share(first.size.parameters, other.size.parameters),
            macs=_share(first.size.macs, other.size.macs),
            peak_memory=_share(first.size.peak_memory, other.size.peak_memory),
        )
        for other, (latency, beside) in zip(others, timed, strict=True)
    )
