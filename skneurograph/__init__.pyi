from . import data as data
from . import datasets as datasets
from . import decoding as decoding
from . import embedding as embedding
from . import forecasting as forecasting
from . import graph_inference as graph_inference
from . import metrics as metrics
from . import model_selection as model_selection
from . import nn as nn
from . import plotting as plotting
from . import preprocessing as preprocessing
from .data import LazyWindows as LazyWindows
from .data import Recording as Recording
from .data import Windows as Windows
from .data import sliding_windows as sliding_windows
from .datasets import make_worms as make_worms
from .model_selection import Comparison as Comparison
from .model_selection import compare as compare
from .models import default_models as default_models

__version__: str
