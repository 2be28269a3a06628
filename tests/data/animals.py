"""Recordings of animals that share some neurons, with gaps, unidentified neurons and labels."""

import dataclasses

import numpy as np

from skneurograph import Recording

LABELS = ["forward", "reversal", "turn", ""]


def animal(seed, names, *, classes=None, n_times=37, gaps=(11, 20), rate=2.0, missing=True):
    rng = np.random.default_rng(seed)
    activity = rng.normal(size=(n_times, len(names)))
    if missing:
        activity[4:9, 0] = np.nan
    time = np.arange(n_times) / rate
    for gap in gaps:
        time[gap:] += 5 / rate
    return Recording(
        activity,
        rate,
        neurons=names,
        neuron_classes=classes,
        behavior=rng.choice(LABELS, n_times, p=[0.4, 0.3, 0.2, 0.1]),
        covariates={
            "velocity": np.where(rng.random(n_times) < 0.1, np.nan, rng.normal(size=n_times))
        },
        time=time,
        organism=f"worm-{seed}",
    )


def animals():
    """Two animals that share neurons and have unidentified ones; the first in two sessions."""
    first = animal(
        1, ["AVAR", "", "RIML", "AVAL", ""], classes=["AVA", "", "RIM", "AVA", ""], gaps=(11, 20)
    )
    second = animal(
        2, ["AIBL", "AVAL", "", "AVAR"], classes=["AIB", "AVA", "", "AVA"], n_times=25, gaps=()
    )
    again = dataclasses.replace(
        animal(3, ["AVAL", "RIMR"], classes=["AVA", "RIM"], n_times=19, gaps=(8,)),
        organism="worm-1",
    )
    return [first, second, again]
