"""Where the state of a population is: embeddings of flow fields and of evolving graphs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
