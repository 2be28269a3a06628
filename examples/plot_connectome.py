"""
Which measure of functional connectivity finds the synapses?
============================================================

Graphs inferred from activity are often read as wiring. Whether this is justified can be measured
where the wiring is known: in **simulated** worms, and in *C. elegans*. Every method is scored by
how well it ranks connected pairs above unconnected ones, and compared with a null that keeps how
many partners each neuron has, but not which.
"""

# %%
# Methods
# -------
# Each is a transformer whose ``graph_`` pools the training windows: entry ``[i, j]`` is the
# influence of sender ``j`` on receiver ``i``. To add your own method, add a line.

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skneurograph import Recording, make_worms, sliding_windows
from skneurograph.datasets import read_connectome
from skneurograph.graph_inference import (
    CorrelationGraph,
    PartialCorrelationGraph,
    RelationalGraph,
    VARGraph,
)
from skneurograph.metrics import edge_permutation_null
from skneurograph.plotting import GraphDisplay

methods = {
    "correlation": CorrelationGraph(),
    "rank correlation": CorrelationGraph(method="spearman"),
    "correlation, lag 1": CorrelationGraph(lag=1),
    "correlation, no noise": CorrelationGraph(noise_filter=True),
    "partial correlation": PartialCorrelationGraph(),
    "graphical lasso": PartialCorrelationGraph(estimator="graphical-lasso"),
    "VAR, ridge": VARGraph(strength="coefficient"),
    "VAR, ridge, Granger": VARGraph(strength="granger"),
    "VAR, lasso": VARGraph(penalty="lasso", strength="coefficient"),
    "VAR, lasso, Granger": VARGraph(penalty="lasso", strength="granger"),
    "neural relational": RelationalGraph(
        n_lags=2, horizon=5, n_neighbors=16, hidden_size=32, max_epochs=4, random_state=0
    ),
}


def infer(windows):
    """Return the graph of every method, and the correlation of frame-to-frame changes."""
    graphs = {name: method.fit(windows.X).graph_ for name, method in methods.items()}
    changes = np.diff(windows.X, axis=2)
    graphs["correlation of changes"] = CorrelationGraph().fit(changes).graph_
    return graphs


def score(graphs, truths):
    """Return the AUROC of every graph against every true graph, and mean and sd of the null."""
    rows = []
    for name, graph in graphs.items():
        for wiring, truth in truths.items():
            null = edge_permutation_null(truth, graph, n_permutations=100, random_state=0)
            rows.append((name, wiring, null.score, null.mean, null.sd, null.p_value))
    return pd.DataFrame(rows, columns=["method", "wiring", "AUROC", "null", "sd", "p"])


def draw(scores):
    """Draw a panel for each wiring: scores as dots, the null as grey bars of two sd."""
    wirings = scores["wiring"].unique()
    height = 1 + 0.25 * scores["method"].nunique()
    figure, axes = plt.subplots(
        1, len(wirings), figsize=(2 + 2.6 * len(wirings), height), sharey=True, layout="constrained"
    )
    for ax, wiring in zip(np.atleast_1d(axes), wirings):
        part = scores[scores["wiring"] == wiring][::-1]
        ax.barh(part["method"], 4 * part["sd"], left=part["null"] - 2 * part["sd"], color="0.85")
        ax.plot(part["AUROC"], part["method"], "o", color="C0")
        ax.axvline(0.5, color="0.5", lw=0.8)
        ax.set_title(wiring)
        ax.set_xlabel("AUROC")
    return figure


# %%
# Simulated worms
# ---------------
# Five worms share a connectome; a different fifth of its neurons is missing in each. Windows of 16
# frames are aligned on the union of the names. Each pair is estimated from the worms with both.

worms = make_worms(5, identified_fraction=1.0, random_state=0)
windows = sliding_windows([worm.zscore() for worm in worms.recordings], 16, step=2, target=None)
order = [worms.neurons.tolist().index(name) for name in windows.neurons]
truth = worms.graph[np.ix_(order, order)]

graphs = infer(windows)
scores = score(graphs, {"simulated synapses": truth})
print(scores.round(3).to_string(index=False))
figure = draw(scores)

# %%
# Neurons with shared input are correlated whether a synapse connects them or not. Granger-type
# measures, which ask what predicts the next frame beyond everything else that was recorded, come
# closer but are still often wrong: calcium is slower than synapses, and some inputs are not
# recorded. Neural relational inference looks for one rule by which all neurons interact, and for
# edges that come and go; these worms have neither, and it does little better than its candidates,
# the most correlated senders.

figure, axes = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
GraphDisplay(truth, neurons=windows.neurons).plot(axes[0])
axes[0].set_title("true connectome (simulated)")
GraphDisplay(graphs["VAR, ridge, Granger"], neurons=windows.neurons).plot(axes[1])
axes[1].set_title("VARGraph, log variance ratio")

# %%
# Real worms
# ----------
# Whole-brain recordings and wiring tables are not part of the package. If you have them, set the
# environment variable ``SKNEUROGRAPH_DATA`` to their folder: ``worms/*.npz``, recordings with
# identified neurons, and ``connectome/*.csv``, tables with the columns
# ``sender, receiver, kind, n_synapses``. Only pairs recorded together in all worms count.


def real_worms(folder):
    recordings = [Recording.load(path).zscore() for path in sorted(folder.glob("worms/*.npz"))]
    windows = sliding_windows(recordings, 16, target=None)
    held = np.array([np.isin(windows.neurons, recording.neurons) for recording in recordings])
    together = (held[:, :, None] & held[:, None, :]).sum(axis=0)
    graphs = {
        name: np.where(together == len(recordings), graph, np.nan)
        for name, graph in infer(windows).items()
    }
    for path in sorted(folder.glob("connectome/*.csv")):
        connectome = read_connectome(path)
        truths = {
            kind: connectome.graph(kind, neurons=windows.neurons)
            for kind in ("any", "electrical", "chemical")
        }
        scores = score(graphs, truths)
        print(path.stem, scores.round(3).to_string(index=False), sep="\n")
        draw(scores).suptitle(path.stem)


folder = Path(os.environ.get("SKNEUROGRAPH_DATA", "data"))
if list(folder.glob("worms/*.npz")) and list(folder.glob("connectome/*.csv")):
    real_worms(folder)
else:
    print(f"no recordings and wiring tables in {folder.name}/: set SKNEUROGRAPH_DATA to see them")
