import contextlib
import errno
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier

import skneurograph
from skneurograph import cli
from skneurograph.cli import _plan as plan
from skneurograph.cli import _report as report
from skneurograph.cli import _run as runner
from tests.cli.running import CHEAP, assert_results, run


class Interrupted(ClassifierMixin, BaseEstimator):
    """The user presses Ctrl-C in the second fit, having looked at the file of the first."""

    seen = None
    path = None
    fits = 0

    def fit(self, X, y):
        cls = type(self)
        if cls.fits == 1:
            cls.seen = cls.path and pd.read_csv(cls.path, keep_default_na=False)
            raise KeyboardInterrupt
        cls.fits += 1
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


def test_finished_fits_are_on_disk_when_a_later_one_is_interrupted(
    capsys, saved, tmp_path, monkeypatch
):
    out = tmp_path / "results"
    monkeypatch.setattr(Interrupted, "path", out / "scores.csv")
    monkeypatch.setattr(Interrupted, "fits", 0)
    lineup = {"slow": Interrupted()}
    monkeypatch.setattr(plan, "default_models", lambda *args, **kwargs: lineup)
    status, text, errors = run(
        capsys, "compare", *saved(), "--window", 2, "--out", out, "--split", "both"
    )
    assert status == 130
    assert errors.endswith("error: interrupted, 1 of 6 fits\n")
    assert set(Interrupted.seen["held_out"]) == {"simulated-1"}
    assert set(Interrupted.seen["metric"]) == {"balanced_accuracy", "accuracy", "f1_macro"}
    assert sorted(path.name for path in out.iterdir()) == ["scores.csv", "scores.png", "table.txt"]
    scores = pd.read_csv(out / "scores.csv", keep_default_na=False)
    has_run = (scores["held_out"] == "simulated-1") & (scores["split"] == "organisms")
    assert len(scores) == 18
    assert (scores.loc[~has_run, "error"] == "not run: interrupted").all()
    assert (scores.loc[~has_run, "score"] == "").all()
    assert (scores.loc[has_run, "error"] == "").all()
    assert scores.loc[has_run, "n_train"].str.isdigit().all()
    table = (out / "table.txt").read_text(encoding="utf-8")
    assert table in text
    assert "interrupted, 1 of 3 fits" in table
    assert "interrupted, 0 of 3 fits; not compared\nnot run: slow" in table


def test_an_interrupt_before_the_first_fit_is_one_line(capsys, saved, tmp_path, monkeypatch):
    monkeypatch.setattr(Interrupted, "fits", 1)
    monkeypatch.setattr(plan, "default_models", lambda *args, **kwargs: {"slow": Interrupted()})
    out = tmp_path / "results"
    status, _, errors = run(capsys, "compare", "--recordings", *saved(), "--out", out)
    assert status == 130
    assert errors.splitlines()[-1] == "error: interrupted before the first fit was done"
    assert not out.exists()


@pytest.mark.parametrize("where", ["load", "make_plans"])
def test_an_interrupt_before_the_comparison_is_one_line(capsys, tmp_path, monkeypatch, where):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, where, interrupted)
    status, text, errors = run(capsys, "compare", "--out", tmp_path / "results")
    assert (status, text, errors) == (130, "", "error: interrupted\n")


def test_an_interrupt_while_drawing_keeps_scores_and_table(capsys, saved, tmp_path, monkeypatch):
    def interrupted(result, path, title):
        path.write_text("half a picture")
        raise KeyboardInterrupt

    out = tmp_path / "results"
    monkeypatch.setattr(report, "_draw", interrupted)
    status, text, errors = run(capsys, "compare", *saved(), *CHEAP, "--out", out)
    assert status == 130
    assert errors.endswith("error: interrupted while drawing\n")
    assert sorted(path.name for path in out.iterdir()) == ["scores.csv", "table.txt"]
    assert text.endswith("table.txt\n")


def test_a_signal_that_a_model_swallows_ends_the_comparison(capsys, saved, tmp_path, monkeypatch):
    class Swallowing(DummyClassifier):
        def fit(self, X, y):
            with contextlib.suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
            return super().fit(X, y)

    monkeypatch.setattr(plan, "default_models", lambda *args, **kwargs: {"chance": Swallowing()})
    out = tmp_path / "results"
    before = signal.getsignal(signal.SIGTERM)
    status, text, _ = run(capsys, "compare", *saved(), "--out", out, "--split", "both")
    assert status == 128 + signal.SIGTERM
    assert "interrupted, 1 of 3 fits" in text
    assert signal.getsignal(signal.SIGTERM) == before


EARLIER = {
    "scores.csv": "of an earlier run",
    "table.txt": "of an earlier run",
    "scores.png": "of an earlier run",
    "scores_time.png": "of an earlier run",
}


@pytest.fixture
def earlier(tmp_path):
    """Make a folder as an earlier run of two splits has left it."""
    out = tmp_path / "results"
    out.mkdir()
    for name, text in EARLIER.items():
        (out / name).write_text(text)
    return out


def contents(folder):
    return {path.name: path.read_bytes().decode(errors="replace") for path in folder.iterdir()}


@pytest.mark.parametrize(
    "mistake",
    [
        ("--drop", "forward", "--drop", "reversal"),
        ("--models", "forest"),
        ("--window", "5000"),
        ("--task", "speed"),
    ],
    ids=" ".join,
)
def test_a_run_that_fails_before_the_first_fit_leaves_an_earlier_one(
    capsys, saved, earlier, mistake
):
    status, _, _ = run(capsys, "compare", *saved(), *CHEAP, *mistake, "--out", earlier)
    assert status == 2
    assert contents(earlier) == EARLIER


def test_a_run_in_progress_leaves_an_earlier_one(capsys, saved, earlier, monkeypatch):
    class Looking(DummyClassifier):
        seen = ()

        def fit(self, X, y):
            type(self).seen += (contents(earlier),)
            return super().fit(X, y)

    monkeypatch.setattr(plan, "default_models", lambda *args, **kwargs: {"chance": Looking()})
    status, _, _ = run(capsys, "compare", *saved(), "--out", earlier)
    assert status == 0
    assert len(Looking.seen) == 3
    assert Looking.seen[0] == EARLIER
    for n_fits, seen in enumerate(Looking.seen):
        partial = seen.pop("scores.partial.csv", "")
        assert seen == EARLIER
        assert len(partial.splitlines()) == (1 + 3 * n_fits if n_fits else 0)


def test_the_folder_holds_the_files_of_one_run(capsys, saved, earlier):
    status, text, _ = run(capsys, "compare", *saved(), *CHEAP, "--out", earlier)
    assert status == 0
    assert_results(earlier, ["chance", "logistic"], text)


@pytest.mark.parametrize("name", ["scores.csv", "table.txt", "scores.png"])
def test_an_output_that_cannot_be_written_is_one_line_and_the_others_are_there(
    capsys, saved, earlier, name
):
    (earlier / name).unlink()
    (earlier / name).mkdir()
    (earlier / name / "in the way").touch()
    status, text, errors = run(capsys, "compare", *saved(), *CHEAP, "--out", earlier)
    assert status == 1
    (error,) = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert error.startswith(f"error: could not write {earlier / name}: ")
    others = [other for other in ("scores.csv", "table.txt", "scores.png") if other != name]
    assert text.endswith(f"wrote {earlier / others[0]} and {earlier / others[1]}\n")
    for other in others:
        assert (earlier / other).read_bytes() != EARLIER[other].encode()
    assert not (earlier / "scores_time.png").exists()
    assert not list(earlier.glob("*.new"))
    # What could not be renamed is still where it was kept.
    assert (earlier / "scores.partial.csv").exists() == (name == "scores.csv")


def test_a_full_disk_leaves_the_table_on_the_screen_and_an_earlier_run(
    capsys, saved, earlier, monkeypatch
):
    def full(self, *args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "open", full)
    monkeypatch.setattr(Path, "write_bytes", full)
    monkeypatch.setattr(report, "_draw", full)
    status, text, errors = run(capsys, "compare", *saved(), *CHEAP, "--out", earlier)
    assert status == 1
    assert "mean ± sd over 3 folds" in text
    assert [line.split(":")[0] for line in errors.splitlines()] == ["warning"] + 3 * ["error"]
    monkeypatch.undo()
    assert contents(earlier) == EARLIER


def test_scores_so_far_are_named_when_every_fit_has_failed(capsys, saved, earlier, monkeypatch):
    class Failing(DummyClassifier):
        def fit(self, X, y):
            raise RuntimeError("no luck")

    monkeypatch.setattr(plan, "default_models", lambda *args, **kwargs: {"chance": Failing()})
    status, _, errors = run(capsys, "compare", *saved(), "--out", earlier)
    assert status == 1
    partial = earlier / "scores.partial.csv"
    assert errors.endswith(f"RuntimeError: no luck; scores so far are in {partial}\n")
    assert len(partial.read_text().splitlines()) == 10
    partial.unlink()
    assert contents(earlier) == EARLIER


def test_a_second_split_that_fails_leaves_the_first(capsys, saved, tmp_path, monkeypatch):
    def fails_in_time(*args, cv, **kwargs):
        if cv is not None:
            raise ValueError("windows: got\nnothing")
        return skneurograph.compare(*args, cv=cv, **kwargs)

    monkeypatch.setattr(runner, "compare", fails_in_time)
    out = tmp_path / "results"
    status, text, errors = run(capsys, "compare", *saved(), *CHEAP, "--split", "both", "--out", out)
    assert status == 1
    assert "error: time: windows: got nothing\n" in errors
    table = (out / "table.txt").read_text(encoding="utf-8")
    assert table in text
    assert "logistic" in table
    assert table.endswith("not compared: windows: got nothing\n")
    assert (out / "scores.png").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_behind_the_standard_output_is_one_line(saved, tmp_path, capsys, monkeypatch):
    out = tmp_path / "results"
    arguments = ["compare", *map(str, saved()), *CHEAP, "--out", str(out), "--split", "both"]
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit) as stopped:
            cli.main(arguments)
    assert stopped.value.code == 1
    errors = capsys.readouterr().err
    assert errors.count("error: could not print: No space left on device\n") == 1
    assert errors.count("error:") == 1
    assert len(list(out.iterdir())) == 4


def test_nothing_is_lost_without_a_standard_output(saved, tmp_path, monkeypatch):
    out = tmp_path / "results"
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(SystemExit) as stopped:
        cli.main(["compare", *map(str, saved()), *CHEAP, "--out", str(out)])
    assert not stopped.value.code
    assert len(list(out.iterdir())) == 3
