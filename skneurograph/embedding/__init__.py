"""Where the state of a population is: embeddings of evolving graphs and of flow fields."""

from skneurograph.embedding._tavrnn import TAVRNN

__all__ = ["TAVRNN"]
