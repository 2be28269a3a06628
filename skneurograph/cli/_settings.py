"""Settings of a comparison, from its command-line options."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from skneurograph.cli._terminal import complain

__all__ = ["Settings", "once"]

_Value = TypeVar("_Value", bound=Hashable)

# Steps at which forecasts are scored.
_HORIZONS = (1, 16)
# The most that the generators of numpy and torch take.
_LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True)
class Settings:
    """The options of ``skneurograph compare``, checked, with their defaults.

    Attributes
    ----------
    task, neurons : str
    splits : tuple of str
        ``"organisms"``, ``"time"`` or both.
    models : tuple of str or None
        None for all.
    n_times, lag : int
        Frames.
    horizons : tuple of int
        Steps at which forecasts are scored, increasing; none for other tasks.
    average_classes : bool
    drop : tuple of str
    seeds : tuple of int
    jobs : int
    """

    task: str
    splits: tuple[str, ...]
    models: tuple[str, ...] | None
    n_times: int
    horizons: tuple[int, ...]
    average_classes: bool
    neurons: str
    lag: int
    drop: tuple[str, ...]
    seeds: tuple[int, ...]
    jobs: int

    @classmethod
    def of(
        cls,
        *,
        task: str,
        split: str | None,
        models: Sequence[str] | None,
        window: int | None,
        horizon: Sequence[int] | None,
        average_classes: bool,
        neurons: str,
        lag: int,
        drop: Sequence[str] | None,
        seed: Sequence[int] | None,
        jobs: int,
    ) -> Settings:
        """Check what the options say of each other, and fill in their defaults.

        Raises
        ------
        ValueError
            If an option has no such value, or does not go with another one.
        """
        forecasts = task == "forecast"
        if task == "next":
            raise ValueError("--task: got 'next'; the frames that follow are --task forecast")
        if horizon and not forecasts:
            raise ValueError(f"--horizon: it needs --task forecast, not {task}")
        _one_of("--split", split, (None, "organisms", "time", "both"))
        _one_of("--neurons", neurons, ("union", "intersection", "all"))
        if jobs == 0:
            raise ValueError("--jobs: got 0; expected a number of fits, or -1 for all cores")
        seeds = once("--seed", seed or [0])
        wrong = [number for number in seeds if not 0 <= number <= _LARGEST_SEED]
        if wrong:
            raise ValueError(f"--seed: got {wrong[0]}; expected integers from 0 to {_LARGEST_SEED}")
        n_times = window or (16 if forecasts else 8)
        if lag >= n_times:
            raise ValueError(
                f"--lag: got {lag}; expected fewer frames than the {n_times} of a window (--window)"
            )
        chosen = split or ("both" if forecasts else "organisms")
        return cls(
            task=task,
            splits=("organisms", "time") if chosen == "both" else (chosen,),
            models=_names(models),
            n_times=n_times,
            horizons=tuple(sorted(once("--horizon", horizon or _HORIZONS))) if forecasts else (),
            average_classes=average_classes,
            neurons=neurons,
            lag=lag,
            drop=once("--drop", drop or []),
            seeds=seeds,
            jobs=jobs,
        )

    @property
    def kind(self) -> Literal["classifier", "regressor", "forecaster"]:
        """Kind of the models that the task needs."""
        if self.horizons:
            return "forecaster"
        return "classifier" if self.task == "behavior" else "regressor"

    @property
    def n_ahead(self) -> int:
        """Frames after a window that its target takes."""
        return max(self.horizons, default=0)

    def cut(self) -> dict[str, Any]:
        """Arguments of `sliding_windows`, but for the labels to drop."""
        arguments: dict[str, Any] = {"neurons": self.neurons, "lag": self.lag}
        if self.horizons:
            return arguments | {"target": "next", "horizon": self.n_ahead}
        return arguments | {"target": self.task}


def once(option: str, values: Iterable[_Value]) -> tuple[_Value, ...]:
    """Leave out what is given again, and say so."""
    given = list(values)
    unique = tuple(dict.fromkeys(given))
    for value in unique:
        if given.count(value) > 1:
            complain(f"note: {option} {value} is given {given.count(value)} times and counts once")
    return unique


def _one_of(option: str, value: str | None, expected: tuple[str | None, ...]) -> None:
    if value not in expected:
        names = [repr(name) for name in expected if name]
        raise ValueError(
            f"{option}: got {value!r}; expected {', '.join(names[:-1])} or {names[-1]}"
        )


def _names(models: Sequence[str] | None) -> tuple[str, ...] | None:
    """Split names at commas; None if there are none."""
    if not models:
        return None
    return once("--models", [part for name in models for part in name.split(",") if part])
