import re
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut, cross_validate
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skneurograph import sliding_windows
from skneurograph.preprocessing import (
    FlattenWindows,
    NeuronImputer,
    WindowImputer,
    WindowPCA,
    WindowScaler,
    make_baseline,
)

TRANSFORMERS = [FlattenWindows(), WindowScaler(), WindowImputer(), WindowPCA(n_components=2)]
NAMES = ["AVAL", "RIML", "SMDVR"]


def windows(n_windows=30, n_neurons=3, n_times=4, seed=0, missing=0.0):
    """Windows of neurons with different means and scales; some neurons missing in some."""
    rng = np.random.default_rng(seed)
    shape = (n_windows, n_neurons, n_times)
    X = rng.normal(size=shape) * rng.uniform(0.1, 9, (n_neurons, 1))
    X += rng.normal(0, 5, (n_neurons, 1))
    X[rng.random(shape[:2]) < missing] = np.nan
    return X


def labels(X):
    return np.where(np.nan_to_num(X)[:, 0, -1] > np.nanmedian(X[:, 0, -1]), "forward", "reversal")


def frames(X):
    """All frames of all windows, as the rows of what scikit-learn reads."""
    return np.stack([X[i, :, t] for i in range(X.shape[0]) for t in range(X.shape[2])])


def by_frame(rows, n_windows, n_times):
    """Undo `frames`."""
    out = np.empty((n_windows, rows.shape[1], n_times))
    for place, row in enumerate(rows):
        out[place // n_times, :, place % n_times] = row
    return out


@parametrize_with_checks(TRANSFORMERS)
def test_transformers_pass_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


def test_the_scaler_agrees_with_scikit_learn_on_frames():
    X, other = windows(missing=0.2), windows(n_windows=7, seed=1, missing=0.2)
    reference = StandardScaler().fit(frames(X))
    scaler = WindowScaler().fit(X)
    np.testing.assert_allclose(scaler.mean_, reference.mean_)
    np.testing.assert_allclose(scaler.scale_, reference.scale_)
    expected = by_frame(reference.transform(frames(other)), 7, 4)
    np.testing.assert_allclose(scaler.transform(other), expected)


def test_the_scaler_leaves_missing_neurons_missing_and_constant_ones_unscaled():
    X = windows(n_neurons=4, missing=0.2)
    X[:, 1] = np.nan
    X[:, 2] = 0.1
    scaler = WindowScaler().fit(X)
    scaled = scaler.transform(X)
    np.testing.assert_array_equal(np.isnan(scaled), np.isnan(X))
    assert (scaler.mean_[1], scaler.scale_[1], scaler.scale_[2]) == (0, 1, 1)
    np.testing.assert_allclose(scaled[:, 2], 0, atol=1e-12)


@pytest.mark.parametrize("strategy", ["mean", "zero"])
def test_the_imputer_agrees_with_scikit_learn_on_frames(strategy):
    X, other = windows(missing=0.3), windows(n_windows=7, seed=1, missing=0.3)
    reference = SimpleImputer(
        strategy="mean" if strategy == "mean" else "constant", fill_value=0.0
    ).fit(frames(X))
    filled = WindowImputer(strategy=strategy).fit(X).transform(other)
    expected = by_frame(reference.transform(frames(other)), 7, 4)
    np.testing.assert_allclose(filled, expected)


def test_a_neuron_with_any_nan_in_a_window_is_missing_in_that_window():
    X = windows()
    X[3, 1, 2] = np.nan
    whole = X.copy()
    whole[3, 1, :] = np.nan
    partly, wholly = WindowImputer().fit(X), WindowImputer().fit(whole)
    np.testing.assert_array_equal(partly.fill_, wholly.fill_)
    filled = partly.transform(X)
    np.testing.assert_array_equal(filled, wholly.transform(whole))
    np.testing.assert_array_equal(filled[3, 1], np.full(4, partly.fill_[1]))


@pytest.mark.parametrize("strategy", ["mean", "zero"])
def test_never_recorded_neurons_become_zero_even_where_they_appear_later(strategy):
    X = windows(missing=0.1)
    X[:, 1] = np.nan
    imputer = WindowImputer(strategy=strategy).fit(X)
    assert imputer.recorded_.tolist() == [True, False, True]
    assert imputer.fill_[1] == 0
    later = windows(seed=1)
    assert (imputer.transform(later)[:, 1] == 0).all()
    np.testing.assert_array_equal(imputer.transform(later)[:, [0, 2]], later[:, [0, 2]])


@pytest.mark.parametrize(
    "estimator",
    [
        MLPClassifier((4,), max_iter=5, random_state=0),
        LogisticRegression(),
        RandomForestClassifier(3, random_state=0),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_never_recorded_neurons_do_not_influence_a_baseline(estimator):
    X = windows(missing=0.1)
    X[:, 1] = np.nan
    model = make_baseline(estimator).fit(X, labels(X))
    later = windows(seed=1)
    changed = later.copy()
    changed[:, 1] = 1e3 * windows(seed=2)[:, 1]
    absent = later.copy()
    absent[:, 1] = np.nan
    expected = model.predict_proba(later)
    np.testing.assert_array_equal(model.predict_proba(changed), expected)
    np.testing.assert_array_equal(model.predict_proba(absent), expected)


def test_components_agree_with_scikit_learn_on_frames():
    X, other = windows(n_neurons=6), windows(n_windows=7, n_neurons=6, seed=1)
    reference = PCA(3, svd_solver="full").fit(frames(X))
    ours = WindowPCA(n_components=3).fit(X)
    np.testing.assert_allclose(ours.components_, reference.components_)
    np.testing.assert_allclose(ours.explained_variance_ratio_, reference.explained_variance_ratio_)
    expected = by_frame(reference.transform(frames(other)), 7, 4)
    np.testing.assert_allclose(ours.transform(other), expected, atol=1e-12)


def test_all_components_keep_distances_between_frames():
    X = windows(n_neurons=5)
    scores = WindowPCA(n_components=5).fit_transform(X)
    difference = np.linalg.norm(X[0, :, 1] - X[9, :, 3])
    np.testing.assert_allclose(np.linalg.norm(scores[0, :, 1] - scores[9, :, 3]), difference)


def test_components_are_no_more_than_neurons_and_frames_allow():
    assert WindowPCA(n_components=10).fit_transform(windows()).shape == (30, 3, 4)
    few = windows(n_windows=1, n_neurons=9, n_times=2)
    assert WindowPCA(n_components=5).fit(few).n_components_ == 2


def test_components_of_missing_neurons_are_refused_with_a_hint():
    pca = WindowPCA(n_components=2)
    with pytest.raises(ValueError, match=r"missing neurons.*WindowImputer"):
        pca.fit(windows(missing=0.3))
    pca.fit(windows())
    with pytest.raises(ValueError, match="WindowImputer"):
        pca.transform(windows(missing=0.3))


def test_rows_of_flat_windows_are_neuron_after_neuron():
    X = windows()
    flat = FlattenWindows().fit_transform(X)
    for neuron in range(3):
        for t in range(4):
            np.testing.assert_array_equal(flat[:, neuron * 4 + t], X[:, neuron, t])


@pytest.mark.parametrize("given_to", ["constructor", "method"])
def test_features_are_named_after_neuron_and_frame(given_to):
    X = windows()
    flatten = FlattenWindows(neurons=NAMES if given_to == "constructor" else None).fit(X)
    names = flatten.get_feature_names_out(None if given_to == "constructor" else NAMES)
    assert names[:5].tolist() == ["AVAL[t-3]", "AVAL[t-2]", "AVAL[t-1]", "AVAL[t]", "RIML[t-3]"]
    flat = flatten.transform(X)
    for column, name in enumerate(names):
        neuron, back = re.fullmatch(r"(\w+)\[t(?:-(\d+))?\]", name).groups()
        frame = 3 - int(back or 0)
        np.testing.assert_array_equal(flat[:, column], X[:, NAMES.index(neuron), frame])


def test_unnamed_neurons_get_their_number():
    flatten = FlattenWindows(neurons=["AVAL", "", ""]).fit(windows())
    assert flatten.get_feature_names_out()[[3, 7, 11]].tolist() == ["AVAL[t]", "x1[t]", "x2[t]"]
    assert FlattenWindows().fit(windows()).get_feature_names_out()[3] == "x0[t]"


def test_names_that_do_not_fit_the_neurons_are_refused():
    with pytest.raises(ValueError, match=r"\(3\), got 2"):
        FlattenWindows(neurons=NAMES[:2]).fit(windows())


def test_flat_windows_come_as_a_data_frame_if_asked_for():
    X = windows()
    flatten = FlattenWindows(neurons=NAMES).set_output(transform="pandas")
    table = flatten.fit_transform(X)
    assert isinstance(table, pd.DataFrame)
    assert table.columns.tolist() == flatten.get_feature_names_out().tolist()
    np.testing.assert_array_equal(table["RIML[t-1]"], X[:, 1, 2])


def test_a_pipeline_gives_a_data_frame_if_asked_for():
    X = windows(missing=0.1)
    flat = make_baseline(LogisticRegression(), neurons=NAMES).fit(X, labels(X))
    table = clone(flat).set_output(transform="pandas").fit(X, labels(X))[:-1].transform(X)
    assert isinstance(table, pd.DataFrame)
    np.testing.assert_array_equal(table.to_numpy(), flat[:-1].transform(X))


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=lambda one: type(one).__name__)
class TestEveryTransformer:
    def test_two_dimensions_in_give_two_dimensions_out(self, transformer):
        X = windows(n_times=1)
        flat = transformer.fit(X[:, :, 0]).transform(X[:, :, 0])
        assert flat.ndim == 2
        cube = clone(transformer).fit(X).transform(X)
        np.testing.assert_array_equal(flat, cube.reshape(flat.shape))

    def test_a_nested_list_is_read_like_an_array(self, transformer):
        X = windows()
        expected = clone(transformer).fit_transform(X)
        np.testing.assert_array_equal(clone(transformer).fit_transform(X.tolist()), expected)

    def test_lazy_windows_are_read_like_an_array(self, transformer):
        recording = np.random.default_rng(0).normal(size=(40, 3))
        lazy = sliding_windows(recording, 4, lazy=True).X
        expected = clone(transformer).fit_transform(np.asarray(lazy))
        result = clone(transformer).fit_transform(lazy)
        assert result.dtype == expected.dtype
        np.testing.assert_array_equal(result, expected)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_the_type_of_floats_is_kept_and_the_input_is_not_changed(self, transformer, dtype):
        X = windows().astype(dtype)
        before = X.copy()
        X.flags.writeable = False
        assert clone(transformer).fit_transform(X).dtype == dtype
        np.testing.assert_array_equal(X, before)

    def test_fit_transform_is_fit_and_then_transform(self, transformer):
        X = windows()
        np.testing.assert_array_equal(
            clone(transformer).fit_transform(X), clone(transformer).fit(X).transform(X)
        )

    def test_each_window_is_transformed_on_its_own(self, transformer):
        X, other = windows(), windows(seed=1)
        fitted = clone(transformer).fit(X)
        together = fitted.transform(other)
        order = np.random.default_rng(0).permutation(len(other))
        np.testing.assert_allclose(fitted.transform(other[order]), together[order], rtol=1e-12)
        np.testing.assert_allclose(fitted.transform(other[4:5])[0], together[4], rtol=1e-12)

    def test_a_second_fit_forgets_the_first(self, transformer):
        fresh = clone(transformer).fit(windows(seed=1))
        again = clone(transformer).fit(windows(n_neurons=5, n_times=2)).fit(windows(seed=1))
        np.testing.assert_array_equal(again.transform(windows()), fresh.transform(windows()))

    def test_other_neurons_or_frames_than_in_fit_are_refused(self, transformer):
        fitted = clone(transformer).fit(windows())
        with pytest.raises(ValueError, match=r"X has 5 neurons, but .* was fitted with 3"):
            fitted.transform(windows(n_neurons=5))
        with pytest.raises(ValueError, match=r"windows of 2 frames, but .* of 4"):
            fitted.transform(windows(n_times=2))

    def test_infinity_and_other_shapes_are_refused(self, transformer):
        X = windows()
        X[0, 0, 0] = np.inf
        with pytest.raises(ValueError, match="infinity"):
            clone(transformer).fit(X)
        with pytest.raises(ValueError, match="dim 4"):
            clone(transformer).fit(np.zeros((3, 2, 2, 2)))

    def test_transform_before_fit_is_refused(self, transformer):
        with pytest.raises(NotFittedError):
            clone(transformer).transform(windows())


@pytest.mark.parametrize(
    ("transformer", "said"),
    [
        (WindowImputer(strategy="median"), "strategy"),
        (WindowPCA(n_components=0), "n_components"),
        (FlattenWindows(neurons=3), "neurons"),
    ],
)
def test_parameters_are_checked_in_fit(transformer, said):
    with pytest.raises(ValueError, match=said):
        transformer.fit(windows())


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        RandomForestClassifier(3, random_state=0),
        MLPClassifier((4,), max_iter=3, random_state=0),
        DummyClassifier(),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
@pytest.mark.parametrize("n_components", [None, 2])
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_any_classifier_becomes_a_decoder_of_windows(estimator, n_components):
    X = windows(missing=0.2)
    model = make_baseline(estimator, n_components=n_components).fit(X, labels(X))
    assert set(model.predict(X)) <= {"forward", "reversal"}
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)


@pytest.mark.parametrize("n_components", [None, 2])
@pytest.mark.parametrize("estimator", [Ridge(), KNeighborsRegressor(2)], ids=str)
def test_any_regressor_becomes_a_decoder_of_windows(estimator, n_components):
    X = windows(missing=0.2)
    model = make_baseline(estimator, n_components=n_components).fit(X, np.arange(30.0))
    assert model.predict(X).shape == (30,)
    assert np.isfinite(model.score(X, np.arange(30.0)))


def test_a_baseline_agrees_with_the_same_steps_taken_by_hand():
    X, other = windows(missing=0.3), windows(seed=1, missing=0.3)
    y = X[:, 0, -1] = np.random.default_rng(0).normal(size=30)
    X[:, 0] = np.where(np.isnan(X[:, 0]), 0.5, X[:, 0])
    model = make_baseline(LinearRegression(), imputer=WindowImputer()).fit(X, y)
    fill = SimpleImputer().fit(frames(X))

    def flat(Z):
        filled = by_frame(fill.transform(frames(Z)), len(Z), 4)
        return np.array([window.ravel() for window in filled])

    reference = make_pipeline(StandardScaler(), LinearRegression()).fit(flat(X), y)
    np.testing.assert_allclose(model.predict(other), reference.predict(flat(other)))


def test_a_baseline_learns_what_a_linear_model_can():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 5, 6))
    y = np.where(X[:, 2, -1] - X[:, 3, 0] > 0, "forward", "reversal")
    for n_components in (None, 5):
        model = make_baseline(LogisticRegression(), n_components=n_components)
        assert model.fit(X[:400], y[:400]).score(X[400:], y[400:]) > 0.85


@pytest.mark.parametrize("n_components", [None, 2])
def test_the_features_of_a_baseline_bear_the_names_of_the_neurons(n_components):
    X = windows()
    model = make_baseline(LogisticRegression(), neurons=NAMES, n_components=n_components)
    names = model.fit(X, labels(X))[:-1].get_feature_names_out().tolist()
    first = NAMES if n_components is None else ["pca0", "pca1"]
    assert names == [f"{name}{t}" for name in first for t in ("[t-3]", "[t-2]", "[t-1]", "[t]")]


def test_statistics_come_from_training_windows_only():
    X = windows(missing=0.2)
    y = labels(X)
    groups = np.repeat([0, 1, 2], 10)
    fitted = cross_validate(
        make_baseline(LogisticRegression(), n_components=2),
        X,
        y,
        groups=groups,
        cv=LeaveOneGroupOut(),
        return_estimator=True,
    )["estimator"]
    for fold, model in enumerate(fitted):
        changed = X.copy()
        changed[groups == fold] = 1e4 * windows(10, seed=3)
        alone = make_baseline(LogisticRegression(), n_components=2)
        alone.fit(changed[groups != fold], y[groups != fold])
        np.testing.assert_array_equal(model[0].correlation_, alone[0].correlation_)
        np.testing.assert_array_equal(model[1].components_, alone[1].components_)
        np.testing.assert_array_equal(model[-1].coef_, alone[-1].coef_)


def test_a_grid_search_reaches_the_parameters_of_a_baseline():
    X = windows(n_neurons=5, missing=0.1)
    search = GridSearchCV(
        make_baseline(LogisticRegression(), n_components=2),
        {
            "windowpca__n_components": [1, 3],
            "neuronimputer__shrinkage": ["auto", 1],
            "logisticregression__C": [0.1, 10],
        },
        cv=3,
        error_score="raise",
    ).fit(X, labels(X))
    assert len(search.cv_results_["params"]) == 8
    best = search.best_params_["windowpca__n_components"]
    assert search.best_estimator_[-1].coef_.shape == (1, best * 4)


def test_a_baseline_infers_missing_neurons_but_nothing_from_anonymous_ones():
    X = windows(n_neurons=4, missing=0.2)
    model = make_baseline(LogisticRegression(), neurons=["AVAL", "RIML", "", ""])
    imputer = NeuronImputer(identities=[0, 1, -1, -1]).fit(X)
    model.fit(X, labels(X))
    np.testing.assert_array_equal(model[0].transform(X), imputer.transform(X))
    given = WindowImputer(strategy="zero")
    model = make_baseline(LogisticRegression(), imputer=given).fit(X, labels(X))
    assert model[0].strategy == "zero"
    assert not hasattr(given, "fill_")


def test_a_baseline_reads_lazy_windows():
    made = np.random.default_rng(0).normal(size=(50, 3))
    lazy = sliding_windows(made, 4, lazy=True).X
    y = np.arange(len(lazy)) % 2
    model = make_baseline(LogisticRegression()).fit(lazy, y)
    np.testing.assert_array_equal(model.predict_proba(lazy), model.predict_proba(np.asarray(lazy)))
    scores = cross_validate(model, lazy, y, cv=3, error_score="raise")["test_score"]
    expected = cross_validate(model, np.asarray(lazy), y, cv=3)["test_score"]
    np.testing.assert_array_equal(scores, expected)


@pytest.mark.parametrize("unit", [1e-200, 1e-30, 1e100])
@pytest.mark.filterwarnings("error")
def test_scaled_windows_do_not_depend_on_the_units(unit):
    X = np.random.default_rng(0).normal(3, 2, size=(40, 3, 4))
    expected = WindowScaler().fit_transform(X)
    np.testing.assert_allclose(WindowScaler().fit_transform(X * unit), expected, rtol=1e-9)
    scores = WindowPCA(n_components=2).fit_transform(X)
    found = WindowPCA(n_components=2).fit_transform(X * unit)
    np.testing.assert_allclose(found / unit, scores, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("n_components", [None, 2])
@pytest.mark.parametrize("n_dims", [2, 3])
def test_a_baseline_does_not_mind_data_frames_as_the_output_of_transformers(n_components, n_dims):
    X, y = windows(), np.arange(len(windows())) % 2
    X = X if n_dims == 3 else X[:, :, 0]
    model = make_baseline(LogisticRegression(), n_components=n_components)
    expected = model.fit(X, y).predict_proba(X)
    with sklearn.config_context(transform_output="pandas"):
        np.testing.assert_allclose(model.fit(X, y).predict_proba(X), expected)


def test_principal_components_of_neurons_that_never_vary_explain_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = WindowPCA(n_components=2).fit(np.zeros((4, 3, 5)))
    assert model.explained_variance_ratio_.tolist() == [0, 0]
    assert np.isfinite(model.transform(np.ones((2, 3, 5)))).all()
