"""What the parameters and attributes mean that forecasters share."""

from __future__ import annotations

from numbers import Integral, Real

from sklearn.utils._param_validation import Interval

from skneurograph.base._described import Entry

__all__ = ["FORECASTING"]

_COUNT = Interval(Integral, 1, None, closed="left")

FORECASTING = {
    "n_lags": Entry(
        "int", "Frames of each neuron that a step reads; at most those of a window.", [_COUNT]
    ),
    "horizon": Entry(
        "int",
        """Steps of the rollouts whose error training minimises, a step ``h`` with weight
        ``1 / h``: over the frames that follow, as far as ``y`` has them, and before them
        over the last frames of the window, as far as ``n_lags`` frames are left to start
        from. A net that has only seen one step drifts when it feeds on its own forecasts.""",
        [_COUNT],
    ),
    "allow_drift": Entry(
        "bool",
        """Whether baselines may have drifted by the time of the forecast. See the guide on
        forecasting: it is measured on training windows how far forecasts may return to the
        training mean. With False they return to it fully.""",
        ["boolean"],
    ),
    "weight_decay": Entry(
        "float or None",
        """Decoupled weight decay of AdamW. None is 10 for forecasts, which pulls the net back
        to the linear forecast it starts from, and 0.01 for other targets.""",
        [None, Interval(Real, 0, None, closed="left")],
    ),
    "max_epochs": Entry(
        "int",
        """Passes through the windows. An epoch has at least 8 steps, however few the
        windows; 16 for other targets.""",
        [_COUNT],
    ),
    "forecasts_frames_": Entry("bool", "Whether the target of ``fit`` was the following frame."),
    "recorded_neurons_": Entry(
        "ndarray of int",
        """Neurons recorded in training. Others, and those that were constant, are forecast to
        stay as they are.""",
    ),
    "reversion_": Entry(
        "float",
        """How far forecasts return to the training mean. 1 is fully, 0 forecasts changes
        relative to the window alone.""",
    ),
    "kept_": Entry(
        "ndarray of shape (n_horizons,)",
        """Part of the forecast distance from the last frame that is kept at each step; the
        last one holds for all further steps.""",
    ),
}
