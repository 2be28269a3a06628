"""Plan of a comparison: windows, splits and models, before anything is fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from skneurograph import Recording, Windows, __version__, default_models, make_worms
from skneurograph.cli._data import HOLD_OUT, LAST_PART, find_files, read_recordings
from skneurograph.cli._settings import Settings
from skneurograph.cli._terminal import complain, in_options
from skneurograph.model_selection._fit import is_random

__all__ = ["Plan", "load", "make_plans"]

_SPLITS = {
    "organisms": "one organism held out at a time (traces z-scored over each whole recording)",
    "time": f"within each organism, the first {1 - LAST_PART:.0%} against what follows",
}


@dataclass(frozen=True)
class Plan:
    """A split: its windows, what is held out of them, and the models to compare.

    Attributes
    ----------
    split : str
    windows : Windows
    cv : list of splits, or None to hold out one organism at a time
    lineup : dict of str to estimator
    settings : Settings
    header : str
        What will be done, for the reader.
    """

    split: str
    windows: Windows
    cv: Any
    lineup: dict[str, BaseEstimator]
    settings: Settings
    header: str


def load(given: Sequence[Path], settings: Settings) -> list[Recording]:
    """Read what is given, or simulate worms."""
    if not given:
        return list(make_worms(5, random_state=settings.seeds[0]).recordings)
    return read_recordings(find_files(given))


def make_plans(
    loaded: Sequence[Recording], settings: Settings, given: Sequence[Path]
) -> list[Plan]:
    """Cut windows and choose models for each split, before anything is fitted.

    Raises
    ------
    ValueError
        If windows cannot be cut as the settings ask, or if a model is not known.
    """
    if settings.average_classes and not any((part.neuron_classes != "").any() for part in loaded):
        complain("note: no recording has neuron classes: columns are neurons")
        settings = replace(settings, average_classes=False)
    plans = []
    lineup: dict[str, BaseEstimator] = {}
    for split in settings.splits:
        windows, cv = HOLD_OUT[split](loaded, settings)
        if not lineup:
            with in_options():
                lineup = default_models(
                    settings.kind,
                    names=settings.models,
                    neurons=windows.neurons,
                    identities=windows.identities,
                )
        header = _header(split, windows, lineup, settings, _source(loaded, given))
        plans.append(Plan(split, windows, cv, lineup, settings, header))
    return plans


def _source(loaded: Sequence[Recording], given: Sequence[Path]) -> str:
    """Say what was read, and whether an organism has several sessions."""
    n_organisms = len({recording.organism for recording in loaded})
    source = f"{len(loaded)} recording{'s' * (len(loaded) > 1)}"
    if n_organisms < len(loaded):
        source += f" of {n_organisms} organism{'s' * (n_organisms > 1)} (sessions stay together)"
    if given:
        source += f" from {', '.join(map(str, given[:3]))}"
        source += f" and {len(given) - 3} more" * (len(given) > 3)
    return source


def _header(
    split: str,
    windows: Windows,
    lineup: dict[str, BaseEstimator],
    settings: Settings,
    source: str,
) -> str:
    steps = ", ".join(map(str, settings.horizons))
    what = f"forecasting {steps} steps" if steps else f"decoding {settings.task}"
    columns = "averages of classes" if settings.average_classes else "neurons"
    n_folds = len(np.unique(windows.groups))
    n_seeds = sum(len(settings.seeds) if is_random(model) else 1 for model in lineup.values())
    return (
        f"{source}\n"
        f"{windows!r}; {what}, {_SPLITS[split]}\n"
        f"columns {columns}, neurons {settings.neurons}, lag {settings.lag}"
        f"{' (not causal)' if settings.lag else ''}, seeds {', '.join(map(str, settings.seeds))}, "
        f"skneurograph {__version__}\n"
        f"{n_folds * n_seeds} fits: {len(lineup)} model{'s' * (len(lineup) > 1)} on {n_folds} "
        f"fold{'s' * (n_folds > 1)}"
    )
