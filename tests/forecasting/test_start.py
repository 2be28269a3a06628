"""Nets start from linear dynamics: those that made the activity, if these are linear."""

import numpy as np
import pytest

from skneurograph import sliding_windows
from skneurograph.forecasting._scaling import FrameScaler
from skneurograph.forecasting._start import LinearStart

N_LAGS = 2


def simulated(own, coupling, n_times=6000, seed=0):
    """Activity whose change is linear in the own last frames and in the last frame of all.

    ``own`` is (n_neurons, n_lags), the oldest frame first; entry [i, j] of ``coupling`` is
    the influence of j on i.
    """
    rng = np.random.default_rng(seed)
    trace = np.zeros((n_times, len(own)))
    for t in range(N_LAGS, n_times):
        past = trace[t - N_LAGS : t]
        change = (own * past.T).sum(axis=1) + coupling @ past[-1]
        trace[t] = past[-1] + change + rng.normal(size=len(own))
    return trace


def start(X, *, couples=True, anonymous=None, n_lags=N_LAGS, columns=None, weight=None):
    weight = np.ones(len(X)) if weight is None else weight
    columns = np.arange(X.shape[1]) if columns is None else np.array(columns)
    scaler = FrameScaler(X, weight, anonymous)
    made = LinearStart(
        X, weight, scaler, columns, anonymous=anonymous, n_lags=n_lags, reversion=1.0,
        couples=couples,
    )  # fmt: skip
    return scaler, made.dynamics(columns, columns)


OWN = np.array([[0.2, -0.6], [0.0, -0.3], [-0.3, -0.2]])
NONE = np.zeros((3, 3))


@pytest.mark.parametrize("lazy", [False, True])
def test_the_coefficients_of_an_autoregression_are_found(lazy):
    X = sliding_windows(simulated(OWN, NONE), 8, lazy=lazy).X
    _, dynamics = start(X, couples=False)
    # Shrunk to those of all neurons by a tenth.
    pooled = OWN.mean(axis=0)
    np.testing.assert_allclose(dynamics.own, OWN + 0.1 * (pooled - OWN), atol=0.06)
    np.testing.assert_allclose(dynamics.offset, 0, atol=0.05)
    assert dynamics.coupling.numel() == 0


def test_the_influence_of_the_others_is_found_as_far_as_its_penalty_lets_it():
    coupling = NONE.copy()
    coupling[1, 0], coupling[2, 1] = 0.5, -0.5
    X = sliding_windows(simulated(OWN, coupling), 8).X
    scaler, dynamics = start(X)
    # In standard units, and with ten times as much penalty as there are windows.
    expected = coupling * scaler.scale / scaler.scale[:, None] / 11
    found = dynamics.coupling.numpy()
    np.testing.assert_allclose(found, expected, atol=0.015)
    assert found[1, 0] > 0.02
    assert found[2, 1] < -0.02


def test_anonymous_neurons_share_their_coefficients_and_know_no_others():
    X = sliding_windows(simulated(OWN, NONE), 8).X
    anonymous = np.array([False, True, True])
    _, dynamics = start(X, anonymous=anonymous)
    own = dynamics.own.numpy()
    np.testing.assert_array_equal(own[1], own[2])
    np.testing.assert_allclose(own[1], OWN.mean(axis=0), atol=0.12)
    assert np.abs(own[0] - own[1]).max() > 0.1
    assert not dynamics.offset[1:].any()
    assert not dynamics.coupling[1:].any()
    assert not dynamics.coupling[:, 1:].any()


def test_windows_count_by_their_weights():
    first, second = (simulated(own, NONE, seed=k) for k, own in enumerate((OWN, OWN[::-1])))
    parts = [sliding_windows(trace, 8).X for trace in (first, second)]
    both = np.concatenate(parts)
    _, alone = start(parts[0], couples=False)
    weight = np.repeat([1.0, 1e-9], [len(part) for part in parts])
    _, weighed = start(both, couples=False, weight=weight)
    np.testing.assert_allclose(weighed.own, alone.own, atol=0.02)
    assert np.abs(start(both, couples=False)[1].own.numpy() - alone.own.numpy()).max() > 0.1


def test_columns_that_no_window_holds_change_nothing_and_have_no_dynamics():
    X = sliding_windows(simulated(OWN, NONE, n_times=500), 8).X
    _, plain = start(X)
    wider = np.insert(X, 1, np.nan, axis=1)
    _, padded = start(wider, columns=[0, 2, 3])
    for name in ("own", "offset", "coupling", "mean", "scale"):
        np.testing.assert_array_equal(getattr(padded, name), getattr(plain, name))


@pytest.mark.parametrize(("n_times", "n_lags", "n_read"), [(8, 2, 2), (3, 8, 2), (2, 8, 1)])
def test_lags_that_windows_do_not_have_are_zero_and_the_last_ones_are_read(n_times, n_lags, n_read):
    X = sliding_windows(simulated(OWN, NONE, n_times=500), n_times).X
    _, dynamics = start(X, n_lags=n_lags)
    n_given = min(n_lags, n_times)
    assert dynamics.own.shape == (3, n_given)
    assert not dynamics.own[:, : n_given - n_read].any()
    assert dynamics.own[:, n_given - n_read :].all()


def test_windows_of_one_frame_start_from_standing_still():
    X = sliding_windows(simulated(OWN, NONE, n_times=100), 1).X
    _, dynamics = start(X)
    assert not dynamics.own.any()
    assert not dynamics.coupling.any()


def test_units_and_offsets_of_neurons_do_not_matter():
    X = sliding_windows(simulated(OWN, NONE, n_times=500), 8).X.astype(np.float64)
    _, plain = start(X)
    unit = np.array([1e-4, 1.0, 300.0])[:, None]
    scaler, changed = start(X * unit + 7 * unit)
    for name in ("own", "offset", "coupling", "low", "high"):
        np.testing.assert_allclose(getattr(changed, name), getattr(plain, name), atol=1e-9)
    np.testing.assert_allclose(scaler.scale, plain.scale.numpy() * unit[:, 0])
