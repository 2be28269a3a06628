"""Every estimator reads odd windows, targets, weights and groups right, or refuses them clearly."""

import copy

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import is_classifier

from tests.discovery import ESTIMATORS, cheap
from tests.fuzz.draws import NO_TABLES, Draw, Refused, clear, groups, round_of, texts, values

ARGUMENTS = (
    "X",
    "y",
    "groups",
    "sample_weight",
    "array",
    "sample",
    "feature",
    "window",
    "neuron",
    "class",
    "label",
    "train",
    "Expected",
    "inputs",
    "n_neighbors",
    "n_components",
)

WINDOWS = {
    "array": lambda a: a,
    "float32": lambda a: a.astype(np.float32),
    "objects": lambda a: a.astype(object),
    "list": lambda a: a.tolist(),
    "masked": lambda a: np.ma.array(np.nan_to_num(a, nan=-1.0), mask=np.isnan(a)),
    "list of masked": lambda a: list(np.ma.array(np.nan_to_num(a, nan=-1.0), mask=np.isnan(a))),
    "other strides": lambda a: np.repeat(a, 2, axis=0)[::2],
    "read-only": lambda a: a,
}


@st.composite
def windows(draw, n_windows, n_neurons=3, n_times=5):
    """Windows in any container, of which some make no sense."""
    numbers = draw(values((n_windows, n_neurons, n_times)))
    what = draw(st.sampled_from([*WINDOWS, *WINDOWS, "DataFrame", "nothing"]))
    if what == "nothing":
        what = draw(st.sampled_from(sorted(set(NO_TABLES) - {"a TsGroup"})))
        return Draw(NO_TABLES[what](numbers.reshape(n_windows, -1)), None, what)
    if what == "DataFrame":
        frame = numbers[:, :, -1]
        names = [f"n{i}" for i in range(n_neurons)]
        return Draw(pd.DataFrame(frame, columns=names), frame, what)
    return Draw(WINDOWS[what](numbers), numbers, what)


@st.composite
def targets(draw, estimator, plain, n_windows):
    """Labels for classifiers, numbers or following frames for others."""
    if is_classifier(estimator):
        return draw(texts(n_windows)).value
    shape = draw(st.sampled_from([(n_windows,), (n_windows, 3), (n_windows, 3, 2)]))
    return draw(values(shape))


@pytest.mark.parametrize("name", sorted(ESTIMATORS))
@round_of(12)
@given(data=st.data())
def test_fit_and_predict_are_right_or_refuse_clearly(name, data):
    estimator = cheap(ESTIMATORS[name], max_epochs=1)
    n_windows = data.draw(st.integers(1, 24))
    X = data.draw(windows(n_windows))
    y = data.draw(targets(estimator, X, n_windows))
    given_groups = data.draw(st.one_of(st.none(), groups(n_windows)))
    fitting = {}
    accepted = ESTIMATORS[name].fit.__code__.co_varnames
    if given_groups is not None and "groups" in accepted:
        fitting["groups"] = given_groups.value
    if "sample_weight" in accepted and data.draw(st.booleans()):
        fitting["sample_weight"] = data.draw(
            st.sampled_from(
                [np.ones(n_windows), np.zeros(n_windows), -np.ones(n_windows), "a", [1.0]]
            )
        )
    # A generator can be read only once.
    before = None if X.what == "generator" else copy.deepcopy((X.value, y))
    try:
        with clear(*ARGUMENTS):
            estimator.fit(X.value, y, **fitting)
            found = predictions(estimator, X.value, fitting.get("groups"))
    except Refused:
        return
    assert X.expected is not None, f"{name} read {X!r}"
    assert "groups" not in fitting or given_groups.expected is not None, given_groups
    same(before, (X.value, y))
    # What container the windows came in makes no difference.
    plain = np.asarray(X.expected, dtype=getattr(X.value, "dtype", None) or float)
    if plain.dtype == object:
        plain = plain.astype(float)
    with clear(*ARGUMENTS):
        again = cheap(ESTIMATORS[name], max_epochs=1).fit(plain, y, **fitting)
        other = predictions(again, plain, fitting.get("groups"))
    for method, value in found.items():
        np.testing.assert_array_equal(value, other[method], err_msg=f"{name}.{method}")
        assert len(value) == n_windows
        recorded = ~np.isnan(X.expected.reshape(n_windows, 3, -1)).any(axis=2)
        if value.dtype.kind == "f":
            assert not np.isinf(value).any()
            if method in ("predict", "predict_proba") and value.shape != recorded.shape:
                assert np.isfinite(value[recorded.any(axis=1)]).all()
    if is_classifier(estimator):
        assert set(np.unique(found["predict"])) <= set(estimator.classes_)
        np.testing.assert_allclose(found["predict_proba"].sum(axis=1), 1, rtol=1e-4)


def predictions(estimator, X, organisms):
    found = {}
    for method in ("predict", "predict_proba", "transform"):
        if hasattr(estimator, method):
            routed = {}
            if organisms is not None and method == "transform":
                code = getattr(type(estimator), method).__code__
                routed = {"groups": organisms} if "groups" in code.co_varnames else {}
            found[method] = np.asarray(getattr(estimator, method)(X, **routed))
    return found


def same(first, second):
    for one, other in zip(first, second):
        if isinstance(one, np.ma.MaskedArray):
            np.testing.assert_array_equal(np.ma.getmaskarray(one), np.ma.getmaskarray(other))
        if isinstance(one, (np.ndarray, list, pd.DataFrame, pd.Series)):
            pd.testing.assert_frame_equal(
                pd.DataFrame(np.asarray(one, dtype=object).ravel()),
                pd.DataFrame(np.asarray(other, dtype=object).ravel()),
            )
