"""Where the state of a population is: embeddings of flow fields and of evolving graphs."""

from skneurograph.embedding._marble import MARBLE
from skneurograph.embedding._tavrnn import TAVRNN

__all__ = ["MARBLE", "TAVRNN"]
