"""
Embedding evolving functional connectivity
==========================================

Two assemblies of neurons swap members every ten windows, while every neuron's firing stays the
same. In this **simulated** activity only the correlations change. ``TAVRNN`` embeds the population
and each neuron, without labels, from one snapshot of the correlations to the next.
"""

# %%
# Simulate
# --------
# Twenty neurons; in each regime they form two assemblies, each with a signal of its own.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skneurograph.embedding import TAVRNN

rng = np.random.default_rng(0)
n_windows, n_neurons, n_times = 120, 20, 30
regime = (np.arange(n_windows) // 10) % 2
assembly = np.stack([np.arange(n_neurons) % 2, np.arange(n_neurons) // 10])
signals = rng.normal(size=(n_windows, 2, n_times))
own = rng.normal(size=(n_windows, n_neurons, n_times))
X = 0.8 * np.array([s[assembly[r]] for s, r in zip(signals, regime)]) + 0.6 * own

# %%
# Fit on the first 80 windows
# ---------------------------
# A logistic regression fitted on the first 80 measures how well the embedding of the other 40, and
# their mean rates, separate the regimes.

train, test = slice(0, 80), slice(80, None)
model = TAVRNN(max_epochs=40, random_state=0).fit(X[train])
population = model.transform(X)
for name, features in (("mean rates", X.mean(axis=2)), ("TAVRNN", population)):
    probe = make_pipeline(StandardScaler(), LogisticRegression())
    probe.fit(features[train], regime[train])
    print(f"{name}: accuracy {probe.score(features[test], regime[test]):.2f}")

# %%
# The trajectory of the population
# --------------------------------
# Posterior means of the history node, in two principal components fitted to the training
# windows. Crosses are windows that the model has not seen.

pca = PCA(2, random_state=0).fit(population[train])
path = pca.transform(population)
figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
axes[0].plot(*path.T, color="0.8", linewidth=0.8, zorder=0)
for part, marker in ((train, "o"), (test, "x")):
    axes[0].scatter(*path[part].T, c=regime[part], cmap="coolwarm", marker=marker, s=18)
axes[0].set(xlabel="component 1", ylabel="component 2", title="population")

# %%
# The neurons
# -----------
# Inner products of these vectors predict which neurons are connected. Averaged over the windows of
# one regime, neurons of an assembly point the same way; colour is the assembly in the first regime.

neurons = model.embed_neurons(X)[train][regime[train] == 0].mean(axis=0)
flat = PCA(2, random_state=0).fit_transform(neurons)
axes[1].scatter(*flat.T, c=assembly[0], cmap="PiYG")
axes[1].set(xlabel="component 1", title="neurons, first regime")

# %%
# The attention
# -------------
# How much each training window attends to the states before it.

image = axes[2].imshow(model.attention_.T, aspect="auto", cmap="viridis", vmin=0)
axes[2].set(xlabel="window", ylabel="windows back", title="attention")
figure.colorbar(image, ax=axes[2])
plt.show()
