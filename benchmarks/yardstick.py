"""What two reports' times are multiples of: the same work, done in both."""

from __future__ import annotations

from dataclasses import dataclass

from .results import Report, Spread, Subject
from .words import known

__all__ = ["Pairs", "Yardstick", "ours", "time_of", "yardstick"]

# What SkinEdge touches least comes first.
YARDSTICKS = ("baseline", "published", "peer", "model")

# A subject of the new report, and the old one's of the same name.
Pairs = list[tuple[Subject, Subject]]


@dataclass(frozen=True)
class Yardstick:
    """What times are multiples of.

    Attributes:
        name: of a subject, or of the roof.
        role: the subject's; `roof` otherwise.
        threads: it was timed with.
        old, new: ms in each report.
    """

    name: str
    role: str
    threads: int
    old: float
    new: float


def ours(subject: Subject) -> bool:
    return subject.role == "model"


def time_of(subject: Subject, number_of_threads: int, what: str) -> float | None:
    """Median ms, or images a second; None where it was not timed as equal."""
    timed = () if subject.refused else subject.latency
    found = next((getattr(t, what) for t in timed if t.threads == number_of_threads), None)
    value = found.median if isinstance(found, Spread) else found
    return value if value is not None and known(value) and value > 0 else None


def _work(subject: Subject) -> tuple[object, ...]:
    """What makes a time the time of the same work."""
    size = subject.size
    how = (subject.runtime, subject.device, subject.precision, subject.input)
    return (*how, size.file, size.parameters, size.macs)


def _untouched(peer: Subject, pairs: Pairs) -> bool:
    """Whether what a peer runs is the same in both reports, whatever computes the model itself."""
    models = [pair for pair in pairs if ours(pair[0]) and pair[0].source == peer.source]
    same = (_work(now)[1:] == _work(before)[1:] for now, before in models)
    return bool(models) and all(same)


def _roof(pairs: Pairs, new: Report, old: Report) -> Yardstick | None:
    """The processor's best convolution, where the same runtime computed it in both reports."""
    runtime = {now.name for now, before in pairs if now.runtime == before.runtime}
    rates = {(roof.model, roof.precision): roof.macs_per_second for roof in old.roofs}
    for roof in new.roofs:
        before, now = rates.get((roof.model, roof.precision)), roof.macs_per_second
        if roof.model in runtime and before and now and known(before) and known(now):
            name = f"1 G MACs at the {roof.precision} roof"
            return Yardstick(name, "roof", 1, 1e12 / before, 1e12 / now)
    return None


def yardstick(pairs: Pairs, new: Report, old: Report, n: int) -> Yardstick | None:
    """What times with `n` threads are multiples of; None where nothing will do."""
    found = []
    models = [s for s, b in pairs if ours(s) and all(time_of(x, n, "inference") for x in (s, b))]
    for place, (now, before) in enumerate(pairs):
        if now.role not in YARDSTICKS or now.device != "cpu" or _work(now) != _work(before):
            continue
        if now.role == "peer" and not _untouched(now, pairs):
            continue
        if ours(now) and len(models) < 2:
            continue
        rank = YARDSTICKS.index(now.role)
        for m in [n] if ours(now) else sorted(t.threads for t in now.latency):
            a, b = (time_of(s, m, "inference") for s in (before, now))
            if a and b:
                key = (rank, m != n, -place if ours(now) else place, m)
                found.append((key, Yardstick(now.name, now.role, m, a, b)))
    if found:
        return min(found, key=lambda f: f[0])[1]
    return _roof(pairs, new, old) if n == 1 else None
