"""Recordings to start from: simulated worms and public data."""

from skneurograph.datasets.connectome import Connectome, load_connectome
from skneurograph.datasets.flows import FlowFields, make_planar_flows, make_van_der_pol
from skneurograph.datasets.nwb import read_nwb
from skneurograph.datasets.physics import InteractingSystems, make_kuramoto, make_springs
from skneurograph.datasets.simulated import SimulatedWorms, make_worms

__all__ = [
    "Connectome",
    "FlowFields",
    "InteractingSystems",
    "SimulatedWorms",
    "load_connectome",
    "make_kuramoto",
    "make_planar_flows",
    "make_springs",
    "make_van_der_pol",
    "make_worms",
    "read_nwb",
]
