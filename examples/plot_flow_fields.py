"""
From spikes to a picture of the manifold
========================================

MARBLE embeds local flow fields: where the state of a population is, and where it goes from there.
First we embed the spikes of one **simulated** animal that runs on a track; then we compare two
simulated animals with different recorded neurons.
"""

# %%
# An animal on a track
# --------------------
# Sixty place cells; half fire on the way out and half on the way back, as many do in the
# hippocampus. Spikes are counted in bins of 25 ms.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score
from sklearn.neighbors import KNeighborsRegressor

from skneurograph import sliding_windows
from skneurograph.datasets import make_van_der_pol
from skneurograph.embedding import MARBLE
from skneurograph.metrics import distribution_distances
from skneurograph.plotting import EmbeddingDisplay
from skneurograph.preprocessing import smooth_spikes

rng = np.random.default_rng(0)
n_bins, n_cells, length = 4000, 60, 1.6
speed = 0.3 * np.exp(0.3 * np.convolve(rng.normal(size=n_bins), np.ones(80) / 9, "same"))
travelled = np.cumsum(speed) / 40
position = length * np.abs((travelled / length) % 2 - 1)
outwards = (travelled / length) % 2 > 1

centre, cell_outwards = rng.uniform(0, length, n_cells), np.arange(n_cells) % 2 == 0
field = np.exp(-0.5 * ((position[:, None] - centre) / 0.15) ** 2)
rate = 1 + 15 * field * (outwards[:, None] == cell_outwards)  # Hz
counts = rng.poisson(rate / 40)
print(f"{counts.shape[0]} bins of {counts.shape[1]} cells, {counts.mean() * 40:.1f} Hz in the mean")

# %%
# A Gaussian kernel turns spikes into rates, PCA (fitted on the first 80 %) reduces the rates to ten
# components, and these are cut into windows of two frames: a state, and the next one.

rates = smooth_spikes(counts, sd=0.2, sampling_rate=40)
cut = int(0.8 * n_bins)
states = PCA(10).fit(rates[:cut]).transform(rates)
X = sliding_windows(states, 2).X
where = position[:-1]  # at the state of each window, its first frame
train, test = slice(0, cut - 1), slice(cut, None)

marble = MARBLE(n_components=3, max_epochs=60, random_state=0).fit(X[train])
embedded = marble.transform(X)
print(f"{marble.manifold_dimension_} directions hold most of the local variance")

# %%
# The embedding shows the track as a loop: out and back run side by side and meet at its ends. No
# label was used to find it. The last 20 % are new points.

figure = plt.figure(figsize=(10, 4.5), layout="constrained")
axes = [figure.add_subplot(1, 2, i, projection="3d") for i in (1, 2)]
EmbeddingDisplay.from_embedding(
    embedded[train], where[train], color_name="position (m)", ax=axes[0]
)
heading = np.where(outwards[:-1], "outwards", "back")
EmbeddingDisplay.from_embedding(embedded[test], heading[test], ax=axes[1])
axes[0].set_title("windows of the fit")
axes[1].set_title("new windows")


def error(features):
    """Return the median error of the position of the new windows, in cm, and R2."""
    near = KNeighborsRegressor(36, metric="cosine").fit(features[train], where[train])
    found = near.predict(features[test])
    return 100 * np.median(np.abs(found - where[test])), r2_score(where[test], found)


for name, features in {
    "3 principal components": states[:-1, :3],
    "10 principal components": states[:-1],
    "MARBLE, 3 components": embedded,
}.items():
    print(f"{name:24s} error {error(features)[0]:4.1f} cm, R2 {error(features)[1]:.2f}")

# %%
# Two animals, different neurons
# ------------------------------
# The populations of two animals follow the same two Van der Pol oscillators, one damped and one
# driven, but through different recorded neurons, each a different readout of the state. Each animal
# is reduced to the same number of principal components, in its own axes.


def record(flows, n_neurons, rng):
    """Return rates of neurons that read the state linearly, as principal components."""
    reads = rng.normal(size=(3, n_neurons))
    frames = flows.X.transpose(0, 2, 1) @ reads
    frames += 0.01 * rng.normal(size=frames.shape)
    scores = PCA(2).fit(frames.reshape(-1, n_neurons)).transform(frames.reshape(-1, n_neurons))
    return scores.reshape(len(frames), 2, 2).transpose(0, 2, 1)


windows, labels = [], []
for animal, n_neurons in (("ann", 80), ("bob", 120)):
    flows = make_van_der_pol(
        [-0.8, 0.8], n_trajectories=60, n_times=11, random_state=rng.integers(99)
    )
    windows.append(record(flows, n_neurons, rng))
    labels += [f"{animal}, {'driven' if '+' in group else 'damped'}" for group in flows.groups]
X, groups = np.concatenate(windows), np.array(labels)

# %%
# With the axes as they are, the animals differ more than the oscillators. Inner products do not
# depend on the axes: the same oscillator in two animals gets nearly the same embedding.

figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for ax, invariant in zip(axes, (False, True)):
    marble = MARBLE(
        n_components=3, order=2, inner_product_features=invariant, max_epochs=30, random_state=0
    )
    found = distribution_distances(marble.fit_transform(X, groups=groups), groups)
    image = ax.imshow(found.distances, cmap="magma_r", vmin=0)
    ax.set_xticks(range(4), found.groups, rotation=45, ha="right")
    ax.set_yticks(range(4), found.groups)
    ax.set_title("inner products" if invariant else "axes as they are")
    figure.colorbar(image, ax=ax, label="distance", shrink=0.8)
    same = (found.distances[0, 2] + found.distances[1, 3]) / 2
    other = (found.distances[0, 1] + found.distances[2, 3]) / 2
    print(
        f"{ax.get_title():18s} same oscillator, two animals: {same:.2f}; "
        f"two oscillators, same animal: {other:.2f}"
    )
