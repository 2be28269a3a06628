"""Who talks to whom: graphs of neurons inferred from their activity."""

from skneurograph.graph_inference._convert import to_networkx, to_pyg
from skneurograph.graph_inference._correlation import CorrelationGraph
from skneurograph.graph_inference._partial import PartialCorrelationGraph
from skneurograph.graph_inference._relational import RelationalGraph
from skneurograph.graph_inference._var import VARGraph

__all__ = [
    "CorrelationGraph",
    "PartialCorrelationGraph",
    "RelationalGraph",
    "VARGraph",
    "to_networkx",
    "to_pyg",
]
