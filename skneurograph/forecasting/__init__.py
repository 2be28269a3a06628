"""What happens next: forecasts of every neuron, one step and many steps ahead."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
