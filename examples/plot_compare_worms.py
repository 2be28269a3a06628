"""
Compare models on organisms they have never seen
================================================

From recordings to a table with paired statistics: which model classifies the behaviour of a worm
after training on other worms? The worms are **simulated**; to use real ones, load a list of files.
"""

# %%
# Recordings
# ----------
# Each recording is one organism. As in whole-brain imaging, every organism has a different set of
# recorded neurons, and only some of them have a name.

import matplotlib.pyplot as plt
import numpy as np

from skneurograph import compare, default_models, make_worms, sliding_windows

worms = make_worms(5, duration=240, random_state=0)
for recording in worms.recordings:
    print(recording)

# %%
# Raw fluorescence bleaches, and differs in level and amplitude from neuron to neuron.
# Z-scoring a trace over its recording uses no label, so it may be done before splitting.

recordings = [recording.zscore() for recording in worms.recordings]
names = recordings[0].neurons
shown = np.flatnonzero(names != "")[:6]
time = recordings[0].time
figure, axes = plt.subplots(2, 1, figsize=(8, 5), sharex=True, layout="constrained")
axes[0].plot(time, recordings[0].activity[:, shown] + 4 * np.arange(6), lw=0.7)
axes[0].set_yticks(4 * np.arange(6), names[shown])
axes[0].set_title(f"{recordings[0].organism}: six of {recordings[0].n_neurons} neurons")
labels, codes = np.unique(recordings[0].behavior, return_inverse=True)
axes[1].step(time, codes, lw=0.8, color="black")
axes[1].set_yticks(range(len(labels)), labels)
axes[1].set_xlabel("time [s]")

# %%
# Windows
# -------
# A window is eight frames of one organism, labelled with the behaviour at its last frame. Left
# and right neurons of a class are averaged, the columns are the union of the classes of all
# worms, and a class that a worm lacks is NaN. Every second window is enough here.

windows = sliding_windows(recordings, 8, step=2, average_classes=True, target="behavior")
print(windows)
missing = np.isnan(windows.X).any(axis=2)
for organism in np.unique(windows.groups):
    absent = windows.neurons[missing[windows.groups == organism].all(axis=0)]
    print(f"{organism} lacks {', '.join(absent) or 'none'}")

# %%
# Comparison
# ----------
# :func:`~skneurograph.compare` holds out one organism at a time. All models see the same folds,
# and each is fitted on the training organisms only. The networks train for fewer epochs than by
# default, to keep the example short.

models = default_models(identities=windows.identities, max_epochs=16)
models["recurrent"].set_params(recurrentclassifier__max_epochs=16)
result = compare(models, windows.X, windows.y, groups=windows.groups, reference="logistic")
print(result)

# %%
# One line per held-out organism, one bar per mean. With so few organisms, look at the lines: is
# a model better on every animal, or only on one?

display = result.plot()

# %%
# The test against the reference inflates the variance because folds share training data (Nadeau
# and Bengio, 2003). It is not corrected for the number of models.

print(result.paired_tests().round(3))
