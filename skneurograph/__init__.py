"""Graph models of neural recordings as scikit-learn estimators.

Decoders of behaviour are in `skneurograph.decoding`, forecasters of neural activity in
`skneurograph.forecasting`, connectivity estimators in `skneurograph.graph_inference`, MARBLE
and TAVRNN in `skneurograph.embedding`, transformers and `make_baseline` in
`skneurograph.preprocessing`, cross-validation splitters and scorers in
`skneurograph.model_selection`, scores in `skneurograph.metrics`, readers and simulators in
`skneurograph.datasets`, plots in `skneurograph.plotting`.
"""

from importlib.metadata import PackageNotFoundError, version

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

try:
    __version__ = version("skneurograph")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"
