"""An interrupt ends what surrounds a net; a net that was fitted alone keeps what it learnt."""

import signal
import threading
from contextlib import suppress

import joblib
import numpy as np
import pytest
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import FeatureUnion, make_pipeline
from skorch.callbacks import Callback

from skneurograph.base._interrupt import noticing_interrupts
from skneurograph.decoding import GraphClassifier
from skneurograph.embedding import TAVRNN

EPOCHS = []


class InterruptSecondEpoch(Callback):
    def on_epoch_end(self, net, **kwargs):
        EPOCHS.append(len(net.history))
        if len(EPOCHS) == 2:
            raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def _no_epochs():
    EPOCHS.clear()


def make_net():
    return GraphClassifier(
        max_epochs=3, n_members=1, hidden_size=4, callbacks=[InterruptSecondEpoch()]
    )


def make_embedding():
    return TAVRNN(max_epochs=3, hidden_size=4, n_components=2, callbacks=[InterruptSecondEpoch()])


@pytest.fixture
def data():
    X = np.random.default_rng(0).normal(size=(40, 3, 4))
    return X, np.where(X[:, 0, -1] > 0, "forward", "reversal")


@pytest.mark.parametrize("wrap", [lambda net: net, make_pipeline], ids=["alone", "pipeline"])
def test_a_net_that_the_user_fits_keeps_what_it_has_learnt(data, wrap):
    model = wrap(make_net())
    with pytest.warns(UserWarning, match="training was interrupted in epoch 2"):
        model.fit(*data)
    assert set(model.predict(data[0])) <= set(data[1])
    assert len(EPOCHS) == 2


AROUND = {
    "search": lambda net: GridSearchCV(net, {"n_rounds": [0, 1]}, cv=2),
    "search over a pipeline": lambda net: GridSearchCV(make_pipeline(net), {}, cv=2),
    "vote": lambda net: VotingClassifier([("one", net), ("two", net)]),
    "pipeline of a search": lambda net: make_pipeline(GridSearchCV(net, {}, cv=2)),
}


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
def test_a_net_inside_a_search_or_an_ensemble_ends_it(data, around):
    with pytest.raises(KeyboardInterrupt):
        around(make_net()).fit(*data)
    assert len(EPOCHS) == 2


def test_cross_validation_ends_with_the_net_that_is_interrupted(data):
    with pytest.raises(KeyboardInterrupt):
        cross_val_score(make_net(), *data, cv=3)
    assert len(EPOCHS) == 2


def test_a_loop_of_joblib_ends_with_the_net_that_is_interrupted(data):
    with pytest.raises(KeyboardInterrupt):
        joblib.Parallel(n_jobs=1)(joblib.delayed(make_net().fit)(*data) for _ in range(3))


def test_embeddings_side_by_side_end_together(data):
    union = FeatureUnion([("one", make_embedding()), ("two", make_embedding())])
    with pytest.raises(KeyboardInterrupt):
        union.fit_transform(data[0])
    assert len(EPOCHS) == 2


def test_a_half_trained_embedding_is_not_kept_for_the_next_fit(data, tmp_path):
    def model(**options):
        return make_pipeline(make_embedding(), LogisticRegression(), **options)

    with pytest.raises(KeyboardInterrupt):
        model(memory=joblib.Memory(tmp_path, verbose=0)).fit(*data)
    EPOCHS.clear()
    with pytest.warns(UserWarning, match="interrupted"):
        model().fit(*data)


def test_swallowed_interrupts_are_noticed_and_the_handler_comes_back():
    before = signal.getsignal(signal.SIGINT)
    with noticing_interrupts() as noticed, suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert noticed == [signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) is before
    with noticing_interrupts() as noticed:
        pass
    assert noticed == []


def test_other_threads_leave_the_handler_alone():
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work():
        with noticing_interrupts() as noticed:
            seen.append((signal.getsignal(signal.SIGINT), noticed))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(before, [])]
