"""What the parameters and attributes mean that decoders share."""

from __future__ import annotations

from numbers import Integral, Real

from sklearn.utils._param_validation import Interval, StrOptions

from skneurograph.base._described import Entry

__all__ = ["DECODING"]

DECODING = {
    "projection_size": Entry(
        "int or None",
        """Dimensions on which every frame is first projected by a learned linear map, which
        generalises better than reading all neurons; None reads them all.""",
        [None, Interval(Integral, 1, None, closed="left")],
    ),
    "time_constant": Entry(
        "float or None",
        """Frames are scaled by ``exp(-age / time_constant)``, age in frames before the last, so
        that long windows do not overfit. None keeps them as they are.""",
        [None, Interval(Real, 0, None, closed="neither")],
    ),
    "missing_neurons": Entry(
        '{"both", "inferred", "masked"}',
        """Identified neurons that an animal lacks. ``"masked"``: they are left out.
        ``"inferred"``: they take the value that is expected given the recorded ones, as by
        `skneurograph.preprocessing.NeuronImputer`. ``"both"``: half of the members do the
        one, half the other. Columns that share an identity are not inferred.""",
        [StrOptions({"both", "inferred", "masked"})],
    ),
    "population_size": Entry(
        "int or None",
        """Dimensions of a further node that reads the whole population: a learned projection of
        the identified neurons, whose window is read out nonlinearly. Every second member has
        it; None leaves it out.""",
        [None, Interval(Integral, 1, None, closed="left")],
    ),
    "linear_share": Entry(
        "float",
        """Share in the outputs (logits, or the continuous target) of a linear decoder of ten
        principal components, fitted by itself to the training windows; the rest is the
        net's. 0 leaves it out, as do columns that share an identity.""",
        [Interval(Real, 0, 1, closed="left")],
    ),
    "label_smoothing": Entry(
        "float",
        "Weight of the uniform distribution in the training targets.",
        [Interval(Real, 0, 1, closed="left")],
    ),
    "class_weight": Entry(
        '{"balanced"}, dict or None',
        """``"balanced"`` weighs classes inversely to their frequency; a dict gives the weight of
        every class.""",
        [None, dict, StrOptions({"balanced"})],
    ),
    "classes_": Entry("ndarray of shape (n_classes,)", "Labels."),
    "y_mean_, y_scale_": Entry(
        "ndarray of shape (n_outputs,)",
        """Mean and standard deviation of the training targets; zero where a target is
        constant.""",
    ),
    "recorded_neurons_": Entry(
        "ndarray of int",
        """Neurons recorded in training. Graph networks also read anonymous neurons, and those
        whose identity was trained in another column; all others are ignored.""",
    ),
}
