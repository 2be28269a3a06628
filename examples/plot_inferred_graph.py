"""
What the inferred graph is, and what it is not
==============================================

A graph model decodes behaviour by passing messages over a graph that it infers itself. On
**simulated** worms the true connectome is known, so the two can be compared.
"""

# %%
# Fit
# ---
# All neurons are recorded and named in these worms, so that every pair can be compared. Each
# column is a neuron with an identity, and one graph over the identities is learned for all windows.
# Sixteen epochs are fewer than by default.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from skneurograph import make_worms, sliding_windows
from skneurograph.decoding import GraphClassifier
from skneurograph.plotting import GraphDisplay

worms = make_worms(5, recorded_fraction=1.0, identified_fraction=1.0, random_state=0)
windows = sliding_windows([recording.zscore() for recording in worms.recordings], 8, step=3)
order = [worms.neurons.tolist().index(name) for name in windows.neurons]
truth = worms.graph[np.ix_(order, order)]

held_out = windows.groups == "simulated-5"
train, test = windows[~held_out], windows[held_out]
model = GraphClassifier(
    identities=train.identities, class_weight="balanced", max_epochs=16, random_state=0
)
model.fit(train.X, train.y)
accuracy = balanced_accuracy_score(test.y, model.predict(test.X))
print(f"balanced accuracy on the unseen organism: {accuracy:.3f}")

# %%
# Side by side
# ------------
# Rows are receivers, columns senders. Every row of the inferred graph sums to one (softmax over the
# senders), and it has no signs.

figure, axes = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
GraphDisplay(truth, neurons=windows.neurons).plot(axes[0])
axes[0].set_title("true connectome (simulated)")
GraphDisplay.from_estimator(model, neurons=windows.neurons, ax=axes[1])
axes[1].set_title("graph_, inferred by decoding")

# %%
# Does it find the synapses?
# --------------------------
# The area under the ROC curve says how well a measure ranks connected pairs above unconnected
# ones; 0.5 is chance. We compare the inferred graph with
#
# - the same graph with each column replaced by its mean, which keeps how strong a sender a neuron
#   is, but nothing about pairs;
# - the absolute correlation of two traces, the simplest baseline;
# - the inferred graph with the names of its neurons shuffled.

off_diagonal = ~np.eye(len(truth), dtype=bool)
connected = truth[off_diagonal] != 0


def auroc(graph):
    return roc_auc_score(connected, graph[off_diagonal])


activity = np.concatenate(
    [recording.zscore().activity[:, order] for recording in worms.recordings[:4]]
)
rng = np.random.default_rng(0)
shuffled = [
    auroc(model.graph_[np.ix_(names, names)])
    for names in (rng.permutation(len(truth)) for _ in range(200))
]
print(f"inferred graph        {auroc(model.graph_):.3f}")
print(f"its column means      {auroc(np.tile(model.graph_.mean(axis=0), (len(truth), 1))):.3f}")
print(f"|correlation|         {auroc(np.abs(np.corrcoef(activity.T))):.3f}")
low, high = np.quantile(shuffled, [0.025, 0.975])
print(f"shuffled, middle 95 % {low:.3f} to {high:.3f}")

# %%
# Read the second number before you believe the first. If column means do as well, then the graph
# shows which neurons are informative senders, and it is the stripes in the plot that are above
# chance: in these worms the neurons that encode behaviour, the command circuits, are also the ones
# with the densest synapses. Which pairs are connected is another question.
#
# The graph is whatever helps to discriminate forward from reversal, under a loss that knows nothing
# about synapses, and many graphs do so equally well. It is part of a decoder, not an estimate of
# the connectome, unless an independent measurement says so.
#
# Two seeds
# ---------
# How much of the graph is due to the data, and how much to the seed? A second fit answers this.

again = GraphClassifier(
    identities=train.identities, class_weight="balanced", max_epochs=16, random_state=1
).fit(train.X, train.y)
agreement = np.corrcoef(model.graph_[off_diagonal], again.graph_[off_diagonal])[0, 1]
print(f"correlation of the edges of two seeds: {agreement:.2f}")

# %%
# A graph for each window
# -----------------------
# With ``edge_model="bilinear"`` the graph is inferred from the activity in the window, so it
# changes with behaviour. :meth:`~skneurograph.decoding.GraphClassifier.infer_graphs`
# gives one graph for each window, here averaged over the windows of each behaviour of the unseen
# organism.

changing = GraphClassifier(
    identities=train.identities,
    edge_model="bilinear",
    class_weight="balanced",
    n_members=1,
    max_epochs=8,
    random_state=0,
).fit(train.X, train.y)
graphs = changing.infer_graphs(test.X)
behaviors = np.unique(test.y)
figure, axes = plt.subplots(1, len(behaviors), figsize=(12, 3.4), layout="constrained")
for ax, behavior in zip(axes, behaviors):
    GraphDisplay(graphs[test.y == behavior].mean(axis=0)).plot(ax)
    ax.set_title(behavior)
