"""Recordings to start from: simulated worms and public data."""

from skneurograph.datasets.nwb import read_nwb
from skneurograph.datasets.simulated import SimulatedWorms, make_worms

__all__ = ["SimulatedWorms", "make_worms", "read_nwb"]
