"""Recordings of organisms, and windows of them aligned by the names of neurons."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
