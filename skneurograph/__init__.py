"""Graph models of neural recordings as scikit-learn estimators."""

from importlib.metadata import PackageNotFoundError, version

from skneurograph.recordings import Recording
from skneurograph.windows import LazyWindows, Windows, sliding_windows

try:
    __version__ = version("skneurograph")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"

__all__ = ["LazyWindows", "Recording", "Windows", "__version__", "sliding_windows"]
