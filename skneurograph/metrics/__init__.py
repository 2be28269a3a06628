"""Scores that scikit-learn lacks: of forecasts with missing neurons, of graphs, of embeddings."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
