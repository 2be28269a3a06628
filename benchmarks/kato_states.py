"""The states of Kato et al. (2015) as the four behaviours of Wang et al. (2021)."""

from __future__ import annotations

__all__ = ["READ_OFF", "STATES"]

# "nostate" is no label.
STATES = {
    **dict.fromkeys(("fwd", "slow"), "forward"),
    **dict.fromkeys(("rev1", "rev2", "revsus"), "reversal"),
    "dt": "dorsal turn",
    "vt": "ventral turn",
    "nostate": "",
}
# Classes of the neurons from which the authors read the states.
READ_OFF = ("AVA", "SMDD", "SMDV", "RIB")
