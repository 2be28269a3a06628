from ._convert import to_networkx as to_networkx
from ._convert import to_pyg as to_pyg
from ._correlation import CorrelationGraph as CorrelationGraph
from ._partial import PartialCorrelationGraph as PartialCorrelationGraph
from ._relational import RelationalGraph as RelationalGraph
from ._var import VARGraph as VARGraph
