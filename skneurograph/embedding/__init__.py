"""Where the state of a population is: the geometry that embeddings of flow fields rest on."""

from skneurograph.embedding._marble import MARBLE

__all__ = ["MARBLE"]
