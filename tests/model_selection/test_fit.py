import pickle
import subprocess
import sys

from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skneurograph import default_models
from skneurograph.decoding import GraphClassifier
from skneurograph.embedding import TAVRNN
from skneurograph.model_selection._fit import classes_of
from skneurograph.preprocessing import make_baseline


def test_the_classes_of_models_are_those_of_their_parts_too():
    search = GridSearchCV(make_pipeline(TAVRNN(), LogisticRegression()), {})
    found = classes_of([make_baseline(LogisticRegression()), search])
    assert {GridSearchCV, TAVRNN, LogisticRegression} <= set(found)
    assert GraphClassifier not in found


def test_a_worker_has_imported_what_any_model_needs_before_its_first_fit():
    # joblib measures then what memory a worker needs, and ends one that needs much more later.
    models = default_models(names=["chance", "logistic"])
    for more, needs in ((["chance"], False), (["graph"], True)):
        sent = pickle.dumps(classes_of([*models.values(), *default_models(names=more).values()]))
        script = f"import pickle, sys; pickle.loads({sent!r}); print('torch' in sys.modules)"
        result = subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.PIPE)
        assert result.stdout.decode().strip() == str(needs)
