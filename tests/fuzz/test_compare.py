"""compare() on odd groups, labels and splits: right folds and sizes, or a clear refusal."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold

from skneurograph import compare
from skneurograph.model_selection import TemporalSplit
from skneurograph.preprocessing import make_baseline
from tests.fuzz.draws import Refused, clear, groups, round_of, texts

N = 40
ARGUMENTS = (
    "groups",
    "y",
    "X",
    "cv",
    "scoring",
    "seeds",
    "estimators",
    "reference",
    "gap",
    "test_size",
    "fold",
    "label",
)


def boolean(rows):
    mask = np.zeros(N, dtype=bool)
    mask[rows] = True
    return mask


first, last = np.arange(N // 2), np.arange(N // 2, N)
SPLITS = {
    "default": None,
    "a number": 4,
    "zero": 0,
    "text": "abc",
    "KFold": KFold(3),
    "GroupKFold": GroupKFold(2),
    "TemporalSplit": TemporalSplit(gap=0),
    "indices": [(first, last)],
    "lists": [(first.tolist(), last.tolist())],
    "ranges": [(range(N // 2), range(N // 2, N))],
    "masks": [(boolean(first), boolean(last))],
    "lists of booleans": [(boolean(first).tolist(), boolean(last).tolist())],
    "generator": ((train, test) for train, test in [(first, last)]),
    "empty test": [(first, np.array([], dtype=int))],
    "empty train": [(np.array([], dtype=int), last)],
    "overlapping": [(first, first)],
    "out of range": [(first, last + N)],
    "floats": [(first * 1.0, last * 1.0)],
    "one array": first,
    "no fold": [],
}


@round_of(60)
@given(
    data=st.data(),
    split=st.sampled_from(sorted(set(SPLITS) - {"generator"})),
    scoring=st.sampled_from([None, "accuracy", ["accuracy"], [], "nothing", {}, 3]),
    seeds=st.sampled_from([(0,), (), (0, 1), (0, 0), "a", 0, (None,), (1.5,)]),
)
def test_folds_and_sizes_are_right(data, split, scoring, seeds):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 3, 4))
    y = data.draw(texts(N))
    organisms = data.draw(st.one_of(st.none(), groups(N)))
    models = {"chance": DummyClassifier(), "logistic": make_baseline(LogisticRegression())}
    try:
        with clear(*ARGUMENTS):
            result = compare(
                models,
                X,
                y.value,
                groups=None if organisms is None else organisms.value,
                cv=SPLITS[split],
                **({} if scoring is None else {"scoring": scoring}),
                seeds=seeds,
            )
    except Refused:
        return
    assert (y.expected != "").all()
    assert organisms is None or organisms.expected is not None
    scores = result.scores
    assert (scores["n_train"] + scores["n_test"] <= N).all()
    assert (scores[["n_train", "n_test"]] > 0).all().all()
    assert set(scores["model"]) == set(models)
    if split in ("indices", "lists", "ranges", "masks", "lists of booleans"):
        assert (scores["n_train"] == N // 2).all()
        assert (scores["n_test"] == N // 2).all()
    if split == "default":
        assert scores["fold"].nunique() == 4
    # Every model is summed up over as many folds as it has finished.
    assert (result.summary()["folds", "done"] == scores["fold"].nunique()).all()
