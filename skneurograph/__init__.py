"""Graph models of neural recordings as scikit-learn estimators.

What the animal does is in `skneurograph.decoding`, what its neurons do next in
`skneurograph.forecasting`, who influences whom in `skneurograph.graph_inference`;
transformers and `make_baseline` for models of one's own in `skneurograph.preprocessing`,
scores in `skneurograph.metrics`, readers and simulations in `skneurograph.datasets`,
pictures in `skneurograph.plotting`.
"""

from importlib.metadata import PackageNotFoundError, version

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

try:
    __version__ = version("skneurograph")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"
