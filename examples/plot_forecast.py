"""
Forecasting the activity of an unseen animal
============================================

How far ahead can a worm's activity be forecast by models of other worms? Persistence (no change),
an autoregression of each neuron, a vector autoregression, a ridge regression of changes and a graph
network, which starts from it, forecast a held-out simulated worm.
"""

import matplotlib.pyplot as plt

from skneurograph import default_models, make_worms, sliding_windows
from skneurograph.plotting import ForecastDisplay

# %%
# Windows of 16 frames and the 16 frames that follow. Neurons are averaged over left and right, and
# z-scored within each worm.

worms = [worm.zscore() for worm in make_worms(4, duration=150, random_state=0).recordings]
windows = sliding_windows(worms, 16, target="next", horizon=16, average_classes=True, step=2)
test = windows.groups == windows.groups[0]
print(windows)

# %%
# Training sees the window and what follows. The autoregressions feed back their predictions, frame
# by frame; the ridge regression forecasts each step directly. The graph network is kept small here
# so that the example runs in seconds.

models = default_models("forecaster", names=["persistence", "ar", "var", "ridge", "graph"])
models["graph"].set_params(n_members=1, max_epochs=8, random_state=0)
for model in models.values():
    model.fit(windows.X[~test], windows.y[~test])

ForecastDisplay.from_estimators(
    models, windows.X[test], windows.y[test], sampling_rate=windows.sampling_rate
)

# %%
# The error of every model grows towards the variance of the activity, one: far ahead, the best
# forecast is the mean. The models differ in how soon they leave the last frame for it. These worms
# are simulated; the documentation has results on real ones.
#
# One window, one neuron:

neuron, moment = 0, 40
X, y = windows.X[test][[moment]], windows.y[test][moment]
before = range(-X.shape[2] + 1, 1)
_, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.plot(before, X[0, neuron], color="black")
ax.plot(range(1, 17), y[neuron], color="black", ls=":", label="what followed")
for name, model in models.items():
    ax.plot(range(1, 17), model.forecast(X, 16)[0, neuron], label=name)
ax.axvline(0, color="grey", lw=0.5)
ax.set(xlabel="frames", ylabel=f"{windows.neurons[neuron]} (z)")
ax.legend(frameon=False, fontsize="small")
plt.show()
