"""Pictures of comparisons, graphs and embeddings, as Display classes in scikit-learn's style."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
