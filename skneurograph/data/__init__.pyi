from ._lazy import LazyWindows as LazyWindows
from ._recording import Recording as Recording
from ._windows import Windows as Windows
from ._windows import sliding_windows as sliding_windows
