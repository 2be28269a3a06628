import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

import skneurograph
from skneurograph import Recording, sliding_windows
from skneurograph.cli._command import _spread
from skneurograph.cli._data import HOLD_OUT, find_files, read_recordings
from skneurograph.cli._settings import Settings
from tests.cli.running import CHEAP, assert_results, run, without


def test_recordings_of_a_glob_follow_one_flag(capsys, saved, tmp_path):
    out = tmp_path / "new" / "results"
    status, text, _ = run(capsys, "compare", "--recordings", *saved(), *CHEAP, "--out", out)
    assert status == 0
    scores = assert_results(out, ["chance", "logistic"], text)
    assert set(scores["held_out"]) == {"simulated-1", "simulated-2", "simulated-3"}
    assert "make_worms" not in text


def test_scores_are_those_of_the_python_interface(capsys, saved, short_worms, tmp_path):
    out = tmp_path / "results"
    run(capsys, "compare", "--recordings", *saved(), *CHEAP, "--no-average-classes", "--out", out)
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
    arguments = ["--task", "forecast", "--models", "persistence", "ar", "var"]
    options = ["--window", 6, "--horizon", 1, 4, "--no-average-classes"]
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
    settings = Settings.of(
        task="forecast",
        split="time",
        models=None,
        window=4,
        horizon=[2],
        average_classes=False,
        neurons="union",
        lag=0,
        drop=None,
        seed=None,
        jobs=1,
    )
    parts = []
    for activity in (worm.activity, spoiled):
        part = dataclasses.replace(worm, activity=activity)
        windows, ((train, test),) = HOLD_OUT["time"]([part], settings)
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
    columns = ["--neurons", "all", "--no-average-classes"]
    arguments = [*CHEAP, "--seed", 3, 5, "--drop", "turn", *columns]
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


def test_recordings_and_folders_stand_without_a_flag(capsys, saved, tmp_path):
    paths = saved()
    table = []
    for arguments in (
        paths,
        [paths[0].parent],
        [paths[0], "--recordings", *paths[1:]],
        [*paths, "--recordings", paths[0].parent],
        [str(paths[0].parent / "*.npz")],
    ):
        out = tmp_path / "results"
        status, _, _ = run(capsys, "compare", *arguments, *CHEAP, "--out", out)
        assert status == 0
        lines = (out / "table.txt").read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith("3 recordings from ")
        table.append([re.sub(r" +\d+\.\d ", " ", line) for line in lines[1:]])
    assert all(lines == table[0] for lines in table)


def test_what_is_given_twice_counts_once_and_is_said(capsys, saved, tmp_path):
    paths = saved()
    arguments = ["--models", "chance,chance", "--seed", 1, 1, "--window", 2]
    status, text, errors = run(
        capsys, "compare", *paths, paths[1], *arguments, "--out", tmp_path / "results"
    )
    assert status == 0
    assert text.startswith("3 recordings from ")
    assert errors.splitlines() == [
        "note: --seed 1 is given 2 times and counts once",
        "note: --models chance is given 2 times and counts once",
        f"note: {paths[1]} is given more than once and counts once",
    ]


def test_a_file_counts_once_by_whatever_path_link_or_copy(saved, tmp_path, capsys):
    paths = saved()
    folder = paths[0].parent
    (tmp_path / "soft.npz").symlink_to(paths[0])
    (tmp_path / "hard.npz").hardlink_to(paths[1])
    (tmp_path / "copy.npz").write_bytes(paths[2].read_bytes())
    others = [folder / ".." / folder.name / paths[0].name, *sorted(tmp_path.glob("*.npz"))]
    files = find_files([folder, *others])
    assert files == [*paths, tmp_path / "copy.npz"]
    loaded = read_recordings(files)
    assert [recording.organism for recording in loaded] == [f"simulated-{i}" for i in (1, 2, 3)]
    notes = capsys.readouterr().err.splitlines()
    assert len(notes) == 4
    assert all(note.endswith("counts once") for note in notes)


def test_a_folder_gives_its_recordings_and_nothing_else(saved, tmp_path):
    paths = saved()
    folder = paths[0].parent
    for name in ("notes.txt", "._0-worm.npz", "0.nwb"):
        (folder / name).touch()
    (folder / "sub.npz").mkdir()
    assert find_files([folder]) == paths


def test_a_folder_of_nwb_files_gives_them(tmp_path):
    (tmp_path / "b.nwb").touch()
    (tmp_path / "a.NWB").touch()
    assert find_files([tmp_path]) == [tmp_path / "a.NWB", tmp_path / "b.nwb"]


def test_an_nwb_file_that_cannot_be_read_says_how_to(tmp_path):
    pytest.importorskip("pynwb")
    path = tmp_path / "a.nwb"
    path.touch()
    with pytest.raises(ValueError, match=r"skneurograph.datasets.read_nwb\('a.nwb', ...\).save"):
        read_recordings([path])


def test_sessions_of_one_organism_are_said_to_stay_together(capsys, saved, short_worms, tmp_path):
    first, second, third = short_worms
    paths = saved(first, second, without(third, organism=second.organism))
    status, text, _ = run(capsys, "compare", *paths, *CHEAP, "--out", tmp_path / "results")
    assert status == 0
    assert text.startswith("3 recordings of 2 organisms (sessions stay together) from ")
    assert "\n4 fits: 2 models on 2 folds\n" in text


@pytest.mark.parametrize(
    "arguments",
    [
        ("--models", "chance", "logistic", "pca-logistic"),
        ("--task", "velocity", "--models", "chance", "ridge"),
        ("--task", "forecast", "--models", "persistence", "ar", "--split", "organisms"),
    ],
    ids=" ".join,
)
def test_the_number_of_fits_is_said_before_the_first(capsys, saved, tmp_path, arguments):
    out = tmp_path / "results"
    options = [*arguments, "--window", 2, "--seed", 0, 1, "--no-average-classes", "--out", out]
    _, text, _ = run(capsys, "compare", *saved(), *options)
    fits = pd.read_csv(out / "scores.csv").drop_duplicates(["model", "fold", "seed"])
    n_models = fits["model"].nunique()
    assert text.splitlines()[3] == f"{len(fits)} fits: {n_models} models on 3 folds"


def test_labels_that_are_numbers_can_be_dropped(capsys, saved, short_worms, tmp_path):
    numbered = [
        without(worm, behavior=np.unique(worm.behavior, return_inverse=True)[1])
        for worm in short_worms
    ]
    arguments = [*saved(*numbered), *CHEAP, "--out", tmp_path / "results"]
    status, text, errors = run(capsys, "compare", *arguments, "--drop", 2)
    assert status == 0
    assert errors == ""
    (line,) = [line for line in text.splitlines() if line.startswith("chance ")]
    assert "0.500 ± 0.000" in line


def test_a_warning_is_one_line_in_options(capsys, saved, tmp_path):
    arguments = [*saved(), *CHEAP, "--out", tmp_path / "results"]
    status, _, errors = run(capsys, "compare", *arguments, "--drop", "omega")
    assert status == 0
    assert errors == (
        "warning: --drop: omega occurs in no window; the labels are forward, reversal, turn\n"
    )


def test_real_worms_are_compared(capsys, real_worm_paths, tmp_path):
    out = tmp_path / "results"
    arguments = ["--recordings", *real_worm_paths[:3], *CHEAP, "--neurons", "intersection"]
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
        (["a", "--models", "x", "y"], ["a", "--models", "x", "--models", "y"]),
        (["--models", "x", "y", "a.npz", "b"], ["--models", "x", "--models", "y", "a.npz", "b"]),
        (["--models", "x", "worms/"], ["--models", "x", "worms/"]),
        (["--recordings", "a.npz", "b/"], ["--recordings", "a.npz", "--recordings", "b/"]),
        (["--models", "x", "--", "y", "-z"], ["--models", "x", "--", "y", "-z"]),
        ([], []),
    ],
    ids=lambda arguments: " ".join(arguments) or "nothing",
)
def test_values_after_one_flag_are_spread_over_several(given, meant):
    assert _spread(given) == meant


def test_version_and_help_are_printed(capsys):
    assert run(capsys, "--version")[:2] == (0, skneurograph.__version__ + "\n")
    status, text, _ = run(capsys, "compare", "--help")
    assert status == 0
    for option in ("--recordings", "--task", "--models", "--window", "--out", "--seed"):
        assert option in text
