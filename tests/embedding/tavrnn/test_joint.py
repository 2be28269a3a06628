"""One embedding of several members'."""

import numpy as np
import pytest
from scipy.stats import special_ortho_group

from skneurograph.embedding import TAVRNN
from skneurograph.embedding.tavrnn._joint import JointSpace

N_WINDOWS, N_NEURONS, N_COMPONENTS = 30, 7, 3


def turned(values, seeds):
    """The same embedding in the axes of several members, side by side."""
    turns = [special_ortho_group.rvs(N_COMPONENTS, random_state=seed) for seed in seeds]
    return np.concatenate([values @ turn for turn in turns], axis=-1)


def fit_joint(population, neurons, n_members):
    flat = neurons.reshape(-1, neurons.shape[-1])
    return JointSpace.fit(population, flat.T @ flat, n_members)


@pytest.fixture
def embeddings():
    rng = np.random.default_rng(0)
    shape = (N_WINDOWS, N_NEURONS, N_COMPONENTS)
    return rng.normal(size=(N_WINDOWS, N_COMPONENTS)) * (4, 2, 1) + 1, rng.normal(size=shape)


def test_members_that_agree_but_for_their_axes_lose_nothing(embeddings):
    population, neurons = embeddings
    stacked = turned(population, [0, 1, 2]), turned(neurons, [0, 1, 2])
    joint = fit_joint(*stacked, n_members=3)
    found = joint.population(stacked[0])
    centred = population - population.mean(axis=0)
    scale = np.linalg.norm(found) / np.linalg.norm(centred)
    np.testing.assert_allclose(found @ found.T, scale**2 * centred @ centred.T, atol=1e-10)
    joined = joint.neurons(stacked[1])
    np.testing.assert_allclose(joined @ joined.mT, neurons @ neurons.mT, atol=1e-10)


def test_the_axes_and_the_scale_of_a_member_do_not_matter(embeddings):
    rng = np.random.default_rng(1)
    population, neurons = embeddings
    others = population + 0.5 * rng.normal(size=population.shape)
    given = np.concatenate([population, others], axis=1)
    again = np.concatenate([turned(population, [5]), 7 * turned(others, [6]) - 2], axis=1)
    of_neurons = np.concatenate([neurons, neurons], axis=2)
    found = fit_joint(given, of_neurons, 2).population(given)
    other = fit_joint(again, of_neurons, 2).population(again)
    np.testing.assert_allclose(other * np.sign((other * found).sum(axis=0)), found, atol=1e-10)


def test_a_member_that_says_nothing_does_no_harm(embeddings):
    population, neurons = embeddings
    stacked = np.concatenate([population, np.ones_like(population)], axis=1)
    joint = fit_joint(stacked, np.concatenate([neurons, 0 * neurons], axis=2), 2)
    assert np.isfinite(joint.population(stacked)).all()
    assert np.linalg.matrix_rank(joint.population(stacked)) == N_COMPONENTS


def make_rates(n_windows=60, n_neurons=12, n_times=20):
    """Spike counts whose rates follow a slow path in two dimensions."""
    rng = np.random.default_rng(0)
    angle = np.linspace(0, 6 * np.pi, n_windows)
    path = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    rates = np.exp(path @ rng.normal(size=(2, n_neurons)))
    return rng.poisson(rates[:, :, None], size=(n_windows, n_neurons, n_times)).astype(np.float32)


def explained(first, second):
    """R2 of one embedding from another, by a linear map."""
    first, second = first - first.mean(axis=0), second - second.mean(axis=0)
    rest = second - first @ np.linalg.lstsq(first, second, rcond=None)[0]
    return 1 - (rest**2).sum() / (second**2).sum()


def test_embeddings_from_other_initial_values_agree():
    X = make_rates()
    options = {"n_components": 3, "hidden_size": 16, "max_epochs": 40}

    def agreement(**others):
        found = [
            TAVRNN(random_state=seed, **options, **others).fit_transform(X) for seed in range(3)
        ]
        return np.mean([explained(a, b) for a in found for b in found if a is not b])

    assert agreement(n_members=3) > agreement(n_members=1) > 0.8


def test_one_member_gives_its_posterior_means_as_they_are():
    X = make_rates(n_windows=20)
    model = TAVRNN(n_components=2, hidden_size=4, max_epochs=2, n_members=1, random_state=0).fit(X)
    read = model._reader.read(X, model.recorded_neurons_)
    (run,) = model._run_sequences(read, [np.arange(20)])
    (trajectory,) = run.trajectories
    np.testing.assert_array_equal(model.transform(X), trajectory.mean[:, 0, 0].numpy())
    joined = model.net_.module_.members[0].joined(trajectory.mean)[:, 0]
    np.testing.assert_allclose(model.embed_neurons(X), joined.detach().numpy(), atol=1e-5)


def test_inner_products_of_neurons_are_near_the_mean_of_the_members():
    X = make_rates()
    model = TAVRNN(n_components=3, hidden_size=8, max_epochs=20, random_state=0).fit(X)
    read = model._reader.read(X, model.recorded_neurons_)
    (run,) = model._run_sequences(read, [np.arange(len(X))])
    each = [
        member.joined(trajectory.mean)[:, 0].detach().numpy()
        for member, trajectory in zip(model.net_.module_, run.trajectories)
    ]
    mean = np.mean([values @ values.mT for values in each], axis=0)
    found = model.embed_neurons(X)
    assert np.corrcoef((found @ found.mT).ravel(), mean.ravel())[0, 1] > 0.8
