import os
import signal

# In the background a shell ignores interrupts, and nohup a closed terminal; tests send both.
for _signal, _handler in {"SIGINT": signal.default_int_handler, "SIGHUP": signal.SIG_DFL}.items():
    _number = getattr(signal, _signal, None)
    if _number is not None and signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, _handler)

# Before anything imports numpy, scipy or torch: they read these once.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
os.environ.setdefault("SCIPY_ARRAY_API", "1")

from pathlib import Path

import matplotlib as mpl
import pytest
import torch

from skneurograph import Recording, make_worms

mpl.use("Agg")
torch.set_num_threads(1)

REAL_WORMS = Path(__file__).parents[2] / "shared" / "data" / "worms"


@pytest.fixture(scope="session")
def worms():
    """Four simulated worms, a minute each."""
    return make_worms(4, duration=60.0, random_state=0)


@pytest.fixture(scope="session")
def real_worm_paths():
    paths = sorted(REAL_WORMS.glob("*.npz"))
    if not paths:
        pytest.skip(f"the real recordings are not at {REAL_WORMS}")
    return paths


@pytest.fixture(scope="session")
def real_worms(real_worm_paths):
    """Five C. elegans of Dag et al. (2023), which the repository may not redistribute."""
    return [Recording.load(path) for path in real_worm_paths]
