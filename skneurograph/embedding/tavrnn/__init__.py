"""TAVRNN: evolving functional connectivity, embedded for the population and each neuron."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
