"""
Continuous behaviour: velocity
==============================

A graph regressor compared with ridge regression on the same folds of **simulated** worms.
"""

# %%
# Data
# ----
# The target is a covariate of the recordings, read at the last frame of each window.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import r2_score

from skneurograph import compare, default_models, make_worms, sliding_windows

worms = make_worms(5, duration=240, random_state=0)
recordings = [recording.zscore() for recording in worms.recordings]
windows = sliding_windows(recordings, 8, step=2, average_classes=True, target="velocity")
print(windows)

# %%
# Comparison
# ----------
# One organism is held out at a time. The graph model trains for sixteen epochs, fewer than by
# default.

models = default_models(
    "regressor",
    names=["chance", "ridge", "pca-ridge", "graph"],
    identities=windows.identities,
    max_epochs=16,
)
result = compare(models, windows.X, windows.y, groups=windows.groups, reference="ridge")
print(result)

# %%
# Every held-out organism is one line.

display = result.plot("r2")

# %%
# One organism in detail
# ----------------------

held_out = windows.groups == "simulated-5"
train, test = windows[~held_out], windows[held_out]
seconds = (test.starts + 7) / test.sampling_rate
figure, ax = plt.subplots(figsize=(9, 3.2), layout="constrained")
ax.plot(seconds, test.y, color="black", lw=1.2, label="true")
for name in ("ridge", "graph"):
    model = models[name]
    if name == "graph":
        model.set_params(random_state=0)
    predicted = model.fit(train.X, train.y).predict(test.X)
    score = r2_score(test.y, predicted)
    ax.plot(seconds, predicted, lw=0.9, label=f"{name} ($R^2$ = {score:.2f})")
ax.set_xlabel("time [s]")
ax.set_ylabel("velocity [mm/s]")
ax.set_title(f"{np.unique(test.groups)[0]}, not seen in training")
ax.legend(loc="upper right", fontsize="small")
