"""From recordings to what an estimator reads: rates of spikes, transformers that know windows."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
