"""MARBLE on a real recording: the position of a rat, beside principal components."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsRegressor

from skneurograph import Recording, sliding_windows
from skneurograph.embedding import MARBLE
from skneurograph.preprocessing import smooth_spikes
from tests.conftest import REAL_WORMS

RAT = REAL_WORMS.parent / "rat_hippocampus" / "rat_buddy.npz"


def test_positions_that_were_held_out_are_decoded_better_than_from_principal_components():
    if not RAT.exists():
        pytest.skip(f"the recording of a rat is not at {RAT}")
    recording = Recording.load(RAT)
    position = recording.covariates["position"]
    cut = int(0.8 * len(position))
    parts = slice(0, cut), slice(cut, None)
    rates = [
        smooth_spikes(recording.activity[part], sd=0.25, sampling_rate=recording.sampling_rate)
        for part in parts
    ]
    train, test = (
        sliding_windows(scores, 2).X for scores in map(PCA(20).fit(rates[0]).transform, rates)
    )

    def error(embedded, held_out):
        near = KNeighborsRegressor(36, metric="cosine").fit(embedded, position[: cut - 1])
        return np.median(np.abs(near.predict(held_out) - position[cut:-1]))

    marble = MARBLE(n_components=32, max_epochs=50, random_state=0).fit(train)
    baselines = [error(train[:, :k, 0], test[:, :k, 0]) for k in (10, 20)]
    # In metres: .076 with 10 components, .064 from MARBLE.
    assert error(marble.transform(train), marble.transform(test)) < min(baselines) - 0.005
