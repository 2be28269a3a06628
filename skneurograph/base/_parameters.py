"""What the parameters and attributes mean that estimators of several rooms share."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from skneurograph.base._described import Entry

__all__ = ["GRAPH_NET", "SHARED"]

_POSITIVE = Interval(Real, 0, None, closed="neither")
_NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
_COUNT = Interval(Integral, 1, None, closed="left")
_PROBABILITY = Interval(Real, 0, 1, closed="left")


def _devices() -> list[Any]:
    import torch  # which classical estimators do without

    return [str, torch.device]


SHARED = {
    "neurons": Entry(
        "sequence of str or None",
        "Names of the neurons, for the names of the features.",
        [None, "array-like"],
    ),
    "n_components": Entry("int", "Dimensions of the embedding.", [_COUNT]),
    "cell": Entry('{"lstm", "gru"}', "Kind of recurrent layer.", [StrOptions({"lstm", "gru"})]),
    "projection_size": Entry(
        "int or None",
        """Dimensions on which every frame is first projected by a learned linear map; None
        reads all neurons.""",
        [None, _COUNT],
    ),
    "hidden_size": Entry("int", "Hidden units.", [_COUNT]),
    "n_members": Entry(
        "int",
        "Networks trained from different initial values; their predictions are averaged.",
        [_COUNT],
    ),
    "dropout": Entry(
        "float",
        "Probability of dropping a feature before it is read out, in training.",
        [_PROBABILITY],
    ),
    "neuron_dropout": Entry(
        "float",
        """Probability of dropping a whole neuron in training, so that the model learns to
        live with other sets of neurons.""",
        [_PROBABILITY],
    ),
    "learning_rate": Entry("float", "Peak of the one-cycle schedule of AdamW.", [_POSITIVE]),
    "weight_decay": Entry("float", "Decoupled weight decay of AdamW.", [_NOT_NEGATIVE]),
    "max_epochs": Entry(
        "int",
        """Passes through the windows. An epoch has at least 16 steps, however few the
        windows.""",
        [_COUNT],
    ),
    "batch_size": Entry("int", "Windows of a mini-batch.", [_COUNT]),
    "patience": Entry(
        "int or None",
        """Epochs without improvement of the validation loss after which training stops and
        the best state is restored. None trains for ``max_epochs``, to the end of the
        schedule of the learning rate.""",
        [None, _COUNT],
    ),
    "validation_fraction": Entry(
        "float",
        """Part held out when ``patience`` is given: of the organisms if ``fit`` is given
        ``groups``, otherwise the last windows, which are taken to be in order of time.""",
        [Interval(Real, 0, 1, closed="neither")],
    ),
    "callbacks": Entry(
        "list of skorch callbacks or None",
        """Added to those of the net, as they are: what they collect stays in them. Callbacks
        that score predictions themselves (``EpochScoring``) are not supported.""",
        [None, list, tuple],
    ),
    "device": Entry(
        "str or torch.device", '``"auto"`` is CUDA if there is one, else the CPU.', _devices
    ),
    "random_state": Entry(
        "int, RandomState or None",
        """Initial values, mini-batches, dropout and held-out organisms. The same integer
        gives the same model on the same machine.""",
        ["random_state"],
    ),
    "verbose": Entry("int", "1 shows a progress bar, 2 the losses of every epoch.", ["verbose"]),
    "recorded_neurons_": Entry("ndarray of int", "Neurons that some training window holds."),
    "net_": Entry("skorch.NeuralNet", "The trained net, with its history."),
    "n_epochs_": Entry("int", "Epochs trained."),
    "interrupted_": Entry(
        "bool",
        """Whether training was interrupted from the keyboard; with ``patience`` the best state
        so far is kept, else the current one.""",
    ),
    "n_features_in_, n_times_in_": Entry("int", "Neurons and frames of a window."),
}

GRAPH_NET = {
    "identities": Entry(
        '{"all", "none"} or array-like of int of shape (n_neurons,)',
        """Which columns carry an identity. ``"all"``: every column is a neuron of its own,
        the same in every organism. ``"none"``: neurons are exchangeable, their order does
        not matter. An array gives one integer per column, -1 for anonymous neurons;
        columns with the same integer (left and right, say) share an identity.
        `Windows.identities` gives such an array.""",
        [StrOptions({"all", "none"}), "array-like"],
    ),
    "hidden_size": Entry("int", "Features of a neuron.", [_COUNT]),
    "n_rounds": Entry(
        "int",
        "Rounds of message passing over the inferred graph; 0 pools neurons without one.",
        [Interval(Integral, 0, None, closed="left")],
    ),
    "edge_model": Entry(
        '{"auto", "identity", "bilinear", "mlp", "uniform", "fixed"}',
        """What the graph is inferred from. ``"identity"``: a score learned for each pair of
        identities, one graph for all windows, restricted to the recorded neurons.
        ``"bilinear"`` and ``"mlp"``: the encodings of the pair in each window (at its end,
        for forecasts), by a bilinear form or by a network with one hidden layer as in Wang
        et al. and NRI [2]_, computed without a feature vector per pair. ``"auto"`` is
        ``"identity"`` where neurons carry identities, else ``"bilinear"``. Two are not
        inferred: ``"uniform"`` gives each recorded sender the same weight, ``"fixed"`` takes
        ``prior_graph`` as it is, each receiver's weights divided by their sum over its
        recorded senders.""",
        [StrOptions({"auto", "identity", "bilinear", "mlp", "uniform", "fixed"})],
    ),
    "edge_activation": Entry(
        '{"softmax", "sigmoid"}',
        "Softmax over the senders of a receiver, or an independent gate for each edge.",
        [StrOptions({"softmax", "sigmoid"})],
    ),
    "prior_graph": Entry(
        "array-like of shape (n_neurons, n_neurons), DataFrame, Connectome or None",
        """What is known of the graph: entry ``[i, j]`` is the weight, at least 0, from sender
        ``j`` to receiver ``i``; NaN where nothing is known. Its logarithm is added to the
        scores of edges, times a factor that starts at one and is learned, so training starts
        near it and may leave it (see ``edge_model`` for a graph that stays as it is). An array
        is in the order of the neurons of ``X``; a DataFrame (receivers as rows) and what has a
        method ``graph(neurons=...)``, such as a `Connectome`, are joined with the names of the
        neurons if ``X`` has them. Columns that share an identity share the mean; anonymous
        neurons have none.""",
        [None, "array-like", HasMethods(["graph"])],
    ),
    "pooling": Entry(
        '{"mean", "attention", "concat"}',
        """How recorded neurons become one vector: their mean, a mean weighted by a learned
        score, or ``"concat"``, which keeps identified neurons apart, as the published
        classifier does.""",
        [StrOptions({"mean", "attention", "concat"})],
    ),
    "graph_": Entry(
        "ndarray of shape (n_neurons, n_neurons)",
        """Mean inferred graph of the training windows (of at most 4,096 evenly spaced ones,
        fewer for many neurons). Entry ``[i, j]`` is the influence of sender ``j`` on
        receiver ``i``; the diagonal is zero and pairs that were never recorded are NaN.
        Absent with ``n_rounds=0``.""",
    ),
}
