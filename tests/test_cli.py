import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier

import skneurograph
from skneurograph import Recording, cli, sliding_windows

CHEAP = ("--models", "chance", "logistic", "--window", "2")


def run(capsys, *arguments):
    """Run the command line in this process: exit status, output, errors."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        cli.main([str(argument) for argument in arguments])
    # Colours, which typer adds on some build servers, tear words apart.
    out, err = (re.sub(r"\x1b\[[\d;]*m", "", text) for text in capsys.readouterr())
    return stopped.value.code or 0, out, err


def run_process(*arguments, cwd):
    """Run the command line as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "skneurograph.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path(skneurograph.__file__).parents[1])},
    )


@pytest.fixture(scope="module")
def short_worms(worms):
    """Three worms of 40 seconds that show every behaviour."""
    return [worm.between(0, 40) for worm in worms.recordings[:3]]


@pytest.fixture
def saved(tmp_path, short_worms):
    """Save recordings, changed or not, and give their paths."""

    def save(*recordings):
        folder = tmp_path / "recordings"
        folder.mkdir(exist_ok=True)
        chosen = recordings or short_worms
        return [worm.save(folder / f"{i}-{worm.organism}") for i, worm in enumerate(chosen)]

    return save


def assert_results(out, models, text, *, metric="balanced_accuracy", n_folds=3):
    """The three files agree with each other and with what was printed."""
    assert sorted(path.name for path in out.iterdir()) == ["scores.csv", "scores.png", "table.txt"]
    table = (out / "table.txt").read_text(encoding="utf-8")
    assert table in text
    scores = pd.read_csv(out / "scores.csv", keep_default_na=False)
    assert list(dict.fromkeys(scores["model"])) == models
    assert not scores.duplicated(["model", "fold", "seed", "metric"]).any()
    rows = scores[scores["metric"] == metric]
    for name in models:
        own = rows[rows["model"] == name]
        assert own["held_out"].nunique() == n_folds
        (line,) = [line for line in table.splitlines() if line.startswith(f"{name} ")]
        mean = own.groupby("fold")["score"].mean()
        assert f"{mean.mean():.3f} ± {mean.std(ddof=1):.3f}" in line
    assert (out / "scores.png").read_bytes().startswith(b"\x89PNG")
    return scores


def test_without_recordings_simulated_worms_are_compared(tmp_path):
    done = run_process("compare", *CHEAP, "--out", "results", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert_results(tmp_path / "results", ["chance", "logistic"], done.stdout, n_folds=5)
    assert "simulated recordings (make_worms), not real animals" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_a_mistake_is_one_line_to_the_person_at_the_keyboard(tmp_path):
    done = run_process("compare", "--recordings", "nowhere.npz", *CHEAP, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "error: no recording at nowhere.npz\n"
    assert list(tmp_path.iterdir()) == []


def test_recordings_of_a_glob_follow_one_flag(capsys, saved, tmp_path):
    out = tmp_path / "new" / "results"
    status, text, _ = run(capsys, "compare", "--recordings", *saved(), *CHEAP, "--out", out)
    assert status == 0
    scores = assert_results(out, ["chance", "logistic"], text)
    assert set(scores["held_out"]) == {"simulated-1", "simulated-2", "simulated-3"}
    assert "make_worms" not in text


def test_scores_are_those_of_the_python_interface(capsys, saved, short_worms, tmp_path):
    out = tmp_path / "results"
    run(capsys, "compare", "--recordings", *saved(), *CHEAP, "--by", "name", "--out", out)
    windows = sliding_windows([worm.zscore() for worm in short_worms], 2)
    expected = skneurograph.compare(
        skneurograph.default_models(names=["chance", "logistic"]),
        windows.X,
        windows.y,
        groups=windows.groups,
    )
    scores = pd.read_csv(out / "scores.csv")
    np.testing.assert_allclose(scores["score"], expected.scores["score"])


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        (["--models", "logistic", "chance"], ["logistic", "chance"]),
        (["--models", "chance,logistic"], ["chance", "logistic"]),
        (["--models", "chance", "--models", "logistic"], ["chance", "logistic"]),
        (["--models=chance"], ["chance"]),
    ],
    ids=" ".join,
)
def test_a_subset_of_models_can_be_chosen(capsys, saved, tmp_path, models, expected):
    out = tmp_path / "results"
    status, text, _ = run(
        capsys, "compare", "--recordings", *saved(), *models, "--window", 1, "--out", out
    )
    assert status == 0
    assert_results(out, expected, text)


def test_a_covariate_is_decoded_by_regression(capsys, saved, tmp_path):
    out = tmp_path / "results"
    arguments = ["--models", "chance", "ridge", "--task", "velocity", "--window", 2, "--lag", 1]
    status, text, _ = run(capsys, "compare", "--recordings", *saved(), *arguments, "--out", out)
    assert status == 0
    scores = assert_results(out, ["chance", "ridge"], text, metric="r2")
    assert set(scores["metric"]) == {"r2", "neg_root_mean_squared_error"}


def test_frames_that_follow_are_forecast_across_organisms_and_in_time(capsys, saved, tmp_path):
    out = tmp_path / "results"
    arguments = ["--task", "forecast", "--models", "persistence", "ar", "var", "--by", "name"]
    options = ["--window", 6, "--horizon", 1, 4]
    status, _, _ = run(
        capsys, "compare", "--recordings", *saved(), *arguments, *options, "--out", out
    )
    assert status == 0
    names = ["scores.csv", "scores.png", "scores_time.png", "table.txt"]
    assert sorted(path.name for path in out.iterdir()) == names
    scores = pd.read_csv(out / "scores.csv", keep_default_na=False)
    assert list(dict.fromkeys(scores["model"])) == ["persistence", "ar", "var"]
    assert list(dict.fromkeys(scores["split"])) == ["organisms", "time"]
    assert set(scores["metric"]) == {"r2@1", "r2@4", "neg_mse@1", "neg_mse@4"}
    assert scores.groupby(["split", "model", "metric"])["held_out"].nunique().eq(3).all()
    table = (out / "table.txt").read_text(encoding="utf-8")
    assert "one organism held out at a time" in table
    assert "within each organism, the first 70% against what follows" in table
    assert table.count("difference in r2@1") == table.count("difference in r2@4") == 2
    # Within an organism training has only its own first part.
    sizes = scores.groupby("split")["n_train"].max()
    assert sizes["time"] < sizes["organisms"] / 2


def test_the_split_in_time_shares_no_frames_and_no_scale(short_worms):
    worm = short_worms[0]
    spoiled = worm.activity.copy()
    split = float(np.quantile(worm.time, 0.7))
    spoiled[worm.time >= split] += 100.0
    cut = {"target": "next", "horizon": 2, "neurons": "union"}
    parts = []
    for activity in (worm.activity, spoiled):
        part = dataclasses.replace(worm, activity=activity)
        windows, ((train, test),) = cli._hold_out_the_end([part], "name", 4, cut)
        parts.append((windows.X[train], windows.y[train]))
        ends = windows.starts[train] + 4 + 2
        assert worm.time[ends.max() - 1] < split
        assert len(test) > 0
    np.testing.assert_array_equal(parts[0][0], parts[1][0])
    np.testing.assert_array_equal(parts[0][1], parts[1][1])


def test_behaviour_can_be_split_in_time_too_and_one_organism_is_enough(
    capsys, saved, short_worms, tmp_path
):
    out = tmp_path / "results"
    arguments = ["--split", "time", "--models", "chance", "ridge", "--task", "velocity"]
    status, text, _ = run(
        capsys, "compare", "--recordings", *saved(short_worms[0]), *arguments, "--out", out
    )
    assert status == 0
    assert "within each organism" in text
    assert set(pd.read_csv(out / "scores.csv")["held_out"]) == {"simulated-1"}


def test_several_seeds_labels_to_drop_and_columns_can_be_given(capsys, saved, tmp_path):
    out = tmp_path / "results"
    arguments = [*CHEAP, "--seed", 3, 5, "--drop", "turn", "--neurons", "all", "--by", "name"]
    status, text, _ = run(capsys, "compare", "--recordings", *saved(), *arguments, "--out", out)
    assert status == 0
    scores = assert_results(out, ["chance", "logistic"], text)
    assert set(scores["seed"]) == {3, 5}
    chance = scores[(scores["model"] == "chance") & (scores["metric"] == "balanced_accuracy")]
    assert (chance["score"] == 0.5).all()


def test_a_second_run_replaces_the_results_of_the_first(capsys, saved, tmp_path):
    out = tmp_path / "results"
    base = ["compare", "--recordings", *saved(), "--window", 1, "--out", out]
    run(capsys, *base, "--models", "chance", "logistic")
    status, text, _ = run(capsys, *base, "--models", "chance")
    assert status == 0
    assert_results(out, ["chance"], text)


def without(worm, **fields):
    return dataclasses.replace(worm, **fields)


def missing_file(worms, save, folder):
    return ["--recordings", *save(), folder / "nowhere.npz"], "no recording at"


def text_file(worms, save, folder):
    path = folder / "notes.npz"
    path.write_text("not a recording")
    return ["--recordings", *save(), path], "notes.npz is not a recording"


def folder_of_files(worms, save, folder):
    return ["--recordings", *save(), folder], "is not a recording"


def array_file(worms, save, folder):
    np.save(folder / "array.npy", np.zeros((9, 2)))
    return ["--recordings", *save(), folder / "array.npy"], "array.npy is not a recording"


def file_with_two_rates(worms, save, folder):
    path = folder / "rates.npz"
    np.savez(path, activity=np.zeros((9, 2)), sampling_rate=[1.0, 2.0])
    return ["--recordings", *save(), path], "sampling_rate"


def file_without_activity(worms, save, folder):
    path = folder / "empty.npz"
    np.savez(path, sampling_rate=1.0)
    return ["--recordings", *save(), path], "lacks activity"


def file_with_infinity(worms, save, folder):
    path = folder / "infinite.npz"
    np.savez(path, activity=np.full((9, 2), np.inf), sampling_rate=1.0)
    return ["--recordings", *save(), path], "infinity"


def one_recording(worms, save, folder):
    return ["--recordings", save()[0]], "one organism only (simulated-1)"


def two_sessions_of_one_organism(worms, save, folder):
    other = without(worms[1], organism=worms[0].organism)
    return ["--recordings", *save(worms[0], other)], "one organism only (simulated-1)"


def no_behaviour(worms, save, folder):
    paths = save(*worms[:2], without(worms[2], behavior=None))
    return ["--recordings", *paths], "'simulated-3' does not have it; it has velocity"


def fewer_frames_than_a_window(worms, save, folder):
    paths = save(*worms[:2], worms[2].between(0, 5))
    return (
        ["--recordings", *paths, "--window", "40"],
        "'simulated-3' has no uninterrupted stretch of 40 frames",
    )


def class_absent_from_training(worms, save, folder):
    behavior = worms[0].behavior.astype("U9")
    behavior[::7] = "omega"
    paths = save(without(worms[0], behavior=behavior), *worms[1:])
    return ["--recordings", *paths], "'omega' occurs in no training window"


def unknown_model(worms, save, folder):
    return ["--recordings", *save(), "--models", "forest"], "got forest; expected some of chance"


def model_of_the_other_task(worms, save, folder):
    return ["--recordings", *save(), "--task", "velocity"], "got logistic; expected some of"


def unknown_covariate(worms, save, folder):
    arguments = ["--task", "speed", "--models", "chance"]
    return ["--recordings", *save(), *arguments], "velocity, head_angle"


def next_frames_as_task(worms, save, folder):
    return ["--recordings", *save(), "--task", "next", "--models", "chance", "ridge"], "next"


def window_of_no_frame(worms, save, folder):
    return ["--recordings", *save(), "--window", "0"], "window"


def window_that_is_no_number(worms, save, folder):
    return ["--recordings", *save(), "--window", "long"], "window"


def lag_beyond_the_window(worms, save, folder):
    return ["--recordings", *save(), "--lag", "2"], "lag: got 2"


def unknown_columns(worms, save, folder):
    return ["--recordings", *save(), "--neurons", "most"], "neurons: got 'most'"


def unknown_by(worms, save, folder):
    return ["--recordings", *save(), "--by", "organ"], "--by: got 'organ'"


def everything_dropped(worms, save, folder):
    drop = [part for label in ("forward", "reversal", "turn") for part in ("--drop", label)]
    return ["--recordings", *save(), *drop], "no window is left"


def no_jobs(worms, save, folder):
    return ["--recordings", *save(), "--jobs", "0"], "n_jobs"


def out_is_a_file(worms, save, folder):
    (folder / "taken").write_text("")
    return ["--recordings", *save(), "--out", folder / "taken"], "taken"


def unknown_option(worms, save, folder):
    return ["--recordings", *save(), "--folds", "3"], "--folds"


@pytest.mark.parametrize(
    "mistake",
    [
        missing_file,
        text_file,
        folder_of_files,
        array_file,
        file_with_two_rates,
        file_without_activity,
        file_with_infinity,
        one_recording,
        two_sessions_of_one_organism,
        no_behaviour,
        fewer_frames_than_a_window,
        class_absent_from_training,
        unknown_model,
        model_of_the_other_task,
        unknown_covariate,
        next_frames_as_task,
        window_of_no_frame,
        window_that_is_no_number,
        lag_beyond_the_window,
        unknown_columns,
        unknown_by,
        everything_dropped,
        no_jobs,
        out_is_a_file,
        unknown_option,
    ],
    ids=lambda mistake: mistake.__name__,
)
def test_mistakes_give_one_line_and_exit_status_2(capsys, saved, short_worms, tmp_path, mistake):
    arguments, said = mistake(short_worms, saved, tmp_path)
    # Later options win over these.
    defaults = ["--out", tmp_path / "results", "--window", "2"]
    if "--models" not in arguments:
        defaults += ["--models", "chance", "logistic"]
    status, _, errors = run(capsys, "compare", *defaults, *arguments)
    assert status == 2
    assert errors.count("\n") == 1, errors
    assert errors.startswith("error: ")
    assert said in errors


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


@pytest.mark.filterwarnings("ignore:interrupted")
def test_finished_fits_are_on_disk_when_a_later_one_is_interrupted(
    capsys, saved, tmp_path, monkeypatch
):
    out = tmp_path / "results"
    monkeypatch.setattr(Interrupted, "path", out / "scores.csv")
    monkeypatch.setattr(Interrupted, "fits", 0)
    lineup = {"chance": DummyClassifier(), "slow": Interrupted()}
    monkeypatch.setattr(cli, "default_models", lambda *args, **kwargs: lineup)
    _, text, _ = run(capsys, "compare", "--recordings", *saved(), "--window", 2, "--out", out)
    fits = ["simulated-1 chance", "simulated-1 slow", "simulated-2 chance"]
    for scores in (Interrupted.seen, pd.read_csv(out / "scores.csv", keep_default_na=False)):
        assert list(dict.fromkeys(scores["held_out"] + " " + scores["model"])) == fits
        assert set(scores["metric"]) == {"balanced_accuracy", "accuracy", "f1_macro"}
    table = (out / "table.txt").read_text(encoding="utf-8")
    assert table in text
    assert "slow" in table


def test_an_interrupt_before_the_first_fit_is_one_line(capsys, saved, tmp_path, monkeypatch):
    monkeypatch.setattr(Interrupted, "fits", 1)
    monkeypatch.setattr(cli, "default_models", lambda *args, **kwargs: {"slow": Interrupted()})
    out = tmp_path / "results"
    status, _, errors = run(capsys, "compare", "--recordings", *saved(), "--out", out)
    assert status == 2
    assert errors.splitlines()[-1] == "error: interrupted before the first fit was done"


def test_real_worms_are_compared(capsys, real_worm_paths, tmp_path):
    out = tmp_path / "results"
    arguments = ["--recordings", *real_worm_paths[:3], *CHEAP, "--neurons", "shared"]
    status, text, _ = run(capsys, "compare", *arguments, "--out", out)
    assert status == 0
    scores = assert_results(out, ["chance", "logistic"], text)
    organisms = [Recording.load(path).organism for path in real_worm_paths[:3]]
    assert list(dict.fromkeys(scores["held_out"])) == sorted(organisms)
    rows = scores[scores["metric"] == "balanced_accuracy"]
    means = rows.groupby("model")["score"].mean()
    assert means["chance"] == 0.25
    # 0.45 for all five worms in the notes that came with them.
    assert means["logistic"] > 0.33


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (
            ["compare", "--recordings", "a", "b", "--window", "3"],
            ["compare", "--recordings", "a", "--recordings", "b", "--window", "3"],
        ),
        (["--seed", "0", "1", "-1"], ["--seed", "0", "--seed", "1", "--seed", "-1"]),
        (["--models", "x", "--out", "y"], ["--models", "x", "--out", "y"]),
        (["--out", "y", "z"], ["--out", "y", "z"]),
        (["--models=x", "--jobs", "2"], ["--models=x", "--jobs", "2"]),
        ([], []),
    ],
    ids=lambda arguments: " ".join(arguments) or "nothing",
)
def test_values_after_one_flag_are_spread_over_several(given, meant):
    assert cli._spread(given) == meant


def test_version_and_help_are_printed(capsys):
    assert run(capsys, "--version")[:2] == (0, skneurograph.__version__ + "\n")
    status, text, _ = run(capsys, "compare", "--help")
    assert status == 0
    for option in ("--recordings", "--task", "--models", "--window", "--out", "--seed"):
        assert option in text
