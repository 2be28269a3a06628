"""MARBLE: embed local flow fields over neural manifolds, comparably across conditions."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
