import re

import numpy as np
import pytest
import typer

from skneurograph.cli._command import app
from tests.cli.running import run, without


def missing_file(worms, save, folder):
    return ["--recordings", *save(), folder / "nowhere.npz"], "no recording at"


def text_file(worms, save, folder):
    path = folder / "notes.npz"
    path.write_text("not a recording")
    return ["--recordings", *save(), path], "notes.npz is not a recording"


def folder_without_recordings(worms, save, folder):
    (folder / "notes").mkdir()
    return ["--recordings", *save(), folder / "notes"], "is a folder without a recording (.npz)"


def pattern_that_matches_nothing(worms, save, folder):
    return ["--recordings", folder / "worm-*.npz"], "no recording matches"


def copy_under_another_name(worms, save, folder):
    return ["--recordings", *save(*worms, without(worms[0], organism="w"))], "tested on itself"


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
    return [
        "--recordings",
        *save(),
        "--models",
        "forest",
    ], "--models: got forest; expected some of chance"


def model_of_the_other_task(worms, save, folder):
    return ["--recordings", *save(), "--task", "velocity"], "got logistic; expected some of"


def unknown_covariate(worms, save, folder):
    arguments = ["--task", "speed", "--models", "chance"]
    return ["--recordings", *save(), *arguments], "velocity, head_angle"


def next_frames_as_task(worms, save, folder):
    return ["--recordings", *save(), "--task", "next", "--models", "chance", "ridge"], "--task"


def window_of_no_frame(worms, save, folder):
    return ["--recordings", *save(), "--window", "0"], "window"


def window_that_is_no_number(worms, save, folder):
    return ["--recordings", *save(), "--window", "long"], "window"


def lag_beyond_the_window(worms, save, folder):
    return ["--recordings", *save(), "--lag", "2"], "--lag: got 2"


def unknown_columns(worms, save, folder):
    return ["--recordings", *save(), "--neurons", "most"], "--neurons: got 'most'"


def value_for_a_switch(worms, save, folder):
    return ["--recordings", *save(), "--average-classes", "no"], "no recording at no"


def everything_dropped(worms, save, folder):
    drop = [part for label in ("forward", "reversal", "turn") for part in ("--drop", label)]
    return ["--recordings", *save(), *drop], "no window is left"


def no_jobs(worms, save, folder):
    return ["--recordings", *save(), "--jobs", "0"], "--jobs: got 0"


def negative_seed(worms, save, folder):
    return ["--recordings", *save(), "--seed", "-1"], "--seed: got -1; expected integers from 0"


def horizon_of_labels(worms, save, folder):
    return ["--recordings", *save(), "--horizon", "2"], "--horizon: it needs --task forecast"


def horizon_beyond_the_recordings(worms, save, folder):
    arguments = ["--task", "forecast", "--models", "ar", "--horizon", "500", "--split", "organisms"]
    said = "no uninterrupted stretch of 2 frames and the 500 that follow: the longest has 120"
    return ["--recordings", *save(), *arguments], said


def window_beyond_the_last_part(worms, save, folder):
    return ["--recordings", *save(), "--split", "time", "--window", "30"], "--split time"


def gap_beyond_the_last_part(worms, save, folder):
    return [
        "--recordings",
        *save(),
        "--split",
        "time",
        "--window",
        "60",
    ], "after a gap of 60 frames"


def unknown_split(worms, save, folder):
    return ["--recordings", *save(), "--split", "cells"], "--split: got 'cells'; expected"


def lag_of_forecasts(worms, save, folder):
    arguments = ["--task", "forecast", "--models", "ar", "--lag", "1"]
    return ["--recordings", *save(), *arguments], "--lag: got 1 with --task forecast"


def labels_to_drop_of_a_covariate(worms, save, folder):
    arguments = ["--task", "velocity", "--models", "ridge", "--drop", "turn"]
    return ["--recordings", *save(), *arguments], "--drop: labels can be dropped only with labels"


def no_neuron_in_common(worms, save, folder):
    renamed = [
        without(worm, neurons=[name and f"{name}-{i}" for name in worm.neurons.tolist()])
        for i, worm in enumerate(worms)
    ]
    arguments = ["--neurons", "intersection", "--no-average-classes"]
    return ["--recordings", *save(*renamed), *arguments], "use --neurons union"


def no_neuron_with_a_name(worms, save, folder):
    anonymous = [without(worm, neurons=None, neuron_classes=None) for worm in worms]
    return ["--recordings", *save(*anonymous), "--no-average-classes"], "use --neurons all"


def out_is_a_file(worms, save, folder):
    (folder / "taken").write_text("")
    return ["--recordings", *save(), "--out", folder / "taken"], "--out: "


def out_is_within_a_file(worms, save, folder):
    (folder / "taken").write_text("")
    return ["--recordings", *save(), "--out", folder / "taken" / "results"], "taken is a file"


def unknown_option(worms, save, folder):
    return ["--recordings", *save(), "--folds", "3"], "--folds"


MISTAKES = [
    missing_file,
    text_file,
    folder_without_recordings,
    pattern_that_matches_nothing,
    copy_under_another_name,
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
    value_for_a_switch,
    everything_dropped,
    no_jobs,
    negative_seed,
    horizon_of_labels,
    horizon_beyond_the_recordings,
    window_beyond_the_last_part,
    gap_beyond_the_last_part,
    unknown_split,
    lag_of_forecasts,
    labels_to_drop_of_a_covariate,
    no_neuron_in_common,
    no_neuron_with_a_name,
    out_is_a_file,
    out_is_within_a_file,
    unknown_option,
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
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
    # Nobody at a shell can give an argument of Python.
    assert not re.search(r"\b(?!organism)[a-z_]+=['\w]", errors)
    assert not (tmp_path / "results").exists()


def test_every_option_has_a_mistake(short_worms, saved, tmp_path):
    command = typer.main.get_command(app).commands["compare"]
    options = {flag for option in command.params for flag in option.opts if flag[:2] == "--"}
    tried = set()
    for number, mistake in enumerate(MISTAKES):
        folder = tmp_path / str(number)
        folder.mkdir()
        arguments, _ = mistake(short_worms, saved, folder)
        tried |= {argument for argument in arguments if argument in options}
    assert tried == options
