"""From recordings to what an estimator reads: rates of spikes, transformers that know windows."""

from skneurograph.preprocessing._spikes import smooth_spikes
from skneurograph.preprocessing._windows import (
    FlattenWindows,
    WindowImputer,
    WindowPCA,
    WindowScaler,
    make_baseline,
)

__all__ = [
    "FlattenWindows",
    "WindowImputer",
    "WindowPCA",
    "WindowScaler",
    "make_baseline",
    "smooth_spikes",
]
