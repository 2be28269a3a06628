"""Where a model of snapshots starts, and several models side by side."""

import numpy as np
import pytest
import torch

from skneurograph.embedding.tavrnn._start import principal_axes
from skneurograph.nn import SnapshotEnsemble, SnapshotModel, join_history, start_at_components

N_WINDOWS, N_NEURONS, N_FEATURES, SIZE = 40, 5, 2, 12


def make_features(n_axes=3):
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(N_WINDOWS, n_axes)) * (3.0, 2.0, 1.0)[:n_axes]
    features = factors @ rng.normal(size=(n_axes, N_NEURONS * N_FEATURES))
    features -= features.mean(axis=0)
    return features.reshape(N_WINDOWS, N_NEURONS, N_FEATURES)


def make_model(reliability, n_components=3, hidden_size=SIZE):
    model = SnapshotModel(
        N_FEATURES,
        torch.from_numpy(reliability),
        1,
        n_identities=N_NEURONS,
        own_gains=True,
        hidden_size=hidden_size,
        n_components=n_components,
        attention_width=2,
    )
    return model.double().eval()


def inputs_of(features):
    """Each window a sequence of its own, so that no state reaches it."""
    n_windows = len(features)
    recorded = torch.ones(n_windows, N_NEURONS, dtype=torch.bool)
    propagation = join_history(
        torch.zeros(n_windows, N_NEURONS, N_NEURONS, dtype=torch.float64), recorded
    )
    levels = torch.randn(n_windows, 1, dtype=torch.float64)
    return propagation[None], torch.from_numpy(features)[None], levels[None]


def start(model, features, reliability, n_axes=3):
    axes, sizes = principal_axes(features, reliability, n_axes)
    start_at_components(model, torch.from_numpy(axes), torch.from_numpy(sizes))
    return axes, sizes


@pytest.mark.parametrize("hidden_size", [SIZE, 2])
def test_the_latent_of_the_population_starts_at_principal_components(hidden_size):
    features = make_features()
    reliability = np.linspace(0.3, 1, N_NEURONS * N_FEATURES).reshape(N_NEURONS, N_FEATURES)
    model = make_model(reliability, hidden_size=hidden_size)
    axes, sizes = start(model, features, reliability)
    with torch.no_grad():
        model.cell.moments.zero_()  # which are small at first, and not linear
        latent = model.run(*inputs_of(features)).mean[0, :, 0]
    flat = (features * np.sqrt(reliability)).reshape(N_WINDOWS, -1)
    scores = flat @ axes.reshape(-1, 3) / sizes
    n_axes = min(3, hidden_size)
    np.testing.assert_allclose(latent[:, :n_axes], scores[:, :n_axes], atol=1e-10)
    np.testing.assert_allclose(scores.std(axis=0, ddof=1), 1)


def test_loadings_start_at_what_explains_the_activity():
    features = make_features()
    reliability = np.full((N_NEURONS, N_FEATURES), 0.5)
    model = make_model(reliability)
    start(model, features, reliability)
    with torch.no_grad():
        model.cell.moments.zero_()
        latent = model.run(*inputs_of(features)).mean[0, :, 0]
        explained = torch.einsum("wc,ncf->wnf", latent, model.loadings)
    np.testing.assert_allclose(explained, features, atol=1e-10)


def test_fewer_axes_than_components_leave_the_others_as_they_were_drawn():
    features = make_features(n_axes=1)
    reliability = np.ones((N_NEURONS, N_FEATURES))
    model = make_model(reliability)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    axes, _ = start(model, features, reliability)
    assert axes.shape[2] == 1
    after = model.state_dict()
    for name in ("gains", "offsets", "level_gains"):
        assert torch.equal(after[name][..., 1:], before[name][..., 1:])
    assert torch.equal(after["loadings"][:, 1:], before["loadings"][:, 1:])
    means = slice(4 * SIZE + 1, None)
    assert torch.equal(after["cell.features"][means], before["cell.features"][means])


@pytest.mark.parametrize("features", [np.zeros((4, 3, 1)), np.ones((1, 3, 1))])
def test_activity_that_does_not_vary_has_no_axes(features):
    axes, sizes = principal_axes(features, np.ones((3, 1)), 2)
    assert axes.shape == (3, 1, 0)
    assert sizes.shape == (0,)


def test_members_train_each_by_itself():
    features = make_features()
    reliability = np.ones((N_NEURONS, N_FEATURES))
    members = [make_model(reliability) for _ in range(3)]
    inputs = *inputs_of(features), torch.full((1, N_WINDOWS), -1)
    losses, slopes = [], []
    for member in members:
        loss = member(*inputs)
        losses.append(loss.detach())
        slopes.append(torch.autograd.grad(loss.sum(), member.gains)[0])
    ensemble = SnapshotEnsemble(members)
    loss = ensemble(*inputs)
    torch.testing.assert_close(loss.detach(), torch.stack(losses).mean(dim=0))
    found = torch.autograd.grad(loss.sum(), [member.gains for member in ensemble])
    for slope, expected in zip(found, slopes):
        torch.testing.assert_close(3 * slope, expected)
