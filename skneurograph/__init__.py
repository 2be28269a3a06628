"""Graph models of neural recordings as scikit-learn estimators.

What the animal does is in `skneurograph.decoding`, what its neurons do next in
`skneurograph.forecasting`, who influences whom in `skneurograph.graph_inference`;
transformers and `make_baseline` for models of one's own in `skneurograph.preprocessing`,
scores in `skneurograph.metrics`, readers and simulations in `skneurograph.datasets`,
pictures in `skneurograph.plotting`.
"""

from importlib.metadata import PackageNotFoundError, version

from skneurograph.datasets import make_worms
from skneurograph.lazy import LazyWindows
from skneurograph.model_selection import Comparison, compare
from skneurograph.models import default_models
from skneurograph.recordings import Recording
from skneurograph.windows import Windows, sliding_windows

try:
    __version__ = version("skneurograph")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"

__all__ = [
    "Comparison",
    "LazyWindows",
    "Recording",
    "Windows",
    "__version__",
    "compare",
    "default_models",
    "make_worms",
    "sliding_windows",
]
