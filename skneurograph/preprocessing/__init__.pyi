from ._baseline import make_baseline as make_baseline
from ._neurons import NeuronImputer as NeuronImputer
from ._pca import WindowPCA as WindowPCA
from ._spikes import smooth_spikes as smooth_spikes
from ._windows import FlattenWindows as FlattenWindows
from ._windows import WindowImputer as WindowImputer
from ._windows import WindowScaler as WindowScaler
