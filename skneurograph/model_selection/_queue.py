"""Order of the fits, and an estimate of the time left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from skneurograph.model_selection._fit import Task

__all__ = ["Queue"]

# Fits below so many seconds are not put in order.
_NEGLIGIBLE = 0.1


class Queue:
    """Queue of fits: every model once, then fold by fold, the slowest models first.

    Folds stay together, so that what is done when the user interrupts can be compared.
    Within a fold what takes longest starts first, as far as it has been measured, so that
    several cores end together.

    Parameters
    ----------
    tasks : iterable of Task
        In order of folds.
    """

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._waiting = list(tasks)
        self.left = list(self._waiting)
        self._begun: set[str] = set()
        self._seconds: dict[str, list[float]] = {}

    def __iter__(self) -> Iterator[Task]:
        while self._waiting:
            task = min(self._waiting, key=self._place)
            self._waiting.remove(task)
            self._begun.add(task.model)
            yield task

    def done(self, task: Task, seconds: float) -> None:
        """Take note of a fit that is done."""
        self.left.remove(task)
        self._seconds.setdefault(task.model, []).append(seconds)

    def seconds_left(self, n_jobs: int) -> float | None:
        """Estimate the time that the rest takes; None until every model has been measured."""
        models = {task.model for task in self.left}
        if not models <= self._seconds.keys():
            return None
        return sum(self._mean(task.model) for task in self.left) / max(
            1, min(n_jobs, len(self.left))
        )

    def _place(self, task: Task) -> tuple[int, bool, float]:
        seconds = self._mean(task.model)
        return (
            task.fold,
            task.model in self._begun,
            -seconds if seconds >= _NEGLIGIBLE else 0.0,
        )

    def _mean(self, model: str) -> float:
        seconds = self._seconds.get(model, [0.0])
        return sum(seconds) / len(seconds)
