import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import skneurograph
from skneurograph import Recording
from tests.cli.running import CHEAP, assert_results, run_process

# Generous, for a machine that does other things.
PATIENCE = 140.0


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


def test_a_closed_pipe_and_a_backend_of_elsewhere_lose_nothing(tmp_path):
    # What a notebook leaves in the environment of its commands, here without its package.
    environment = command_environment() | {"MPLBACKEND": "module://nowhere.backend"}
    save_noise(tmp_path, n_times=60)
    command = subprocess.Popen(
        [*COMMAND, "compare", ".", *CHEAP, "--split", "both", "--out", "results"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment,
    )
    assert command.stdout.readline() == "3 recordings from .\n"
    command.stdout.close()
    errors = command.stderr.read()
    assert command.wait(PATIENCE) == 0, errors
    assert "error" not in errors
    assert "Traceback" not in errors
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == [
        "scores.csv",
        "scores.png",
        "scores_time.png",
        "table.txt",
    ]


COMMAND = [sys.executable, "-m", "skneurograph.cli"]
SLOW = ("--task", "forecast", "--models", "persistence", "recurrent", "--horizon", "1")


def command_environment():
    return os.environ | {"PYTHONPATH": str(Path(skneurograph.__file__).parents[1])}


def save_noise(folder, *, n_times):
    rng = np.random.default_rng(0)
    for i in range(3):
        activity = rng.normal(size=(n_times, 4))
        behavior = np.where(activity[:, 0] > 0, "forward", "reversal")
        Recording(
            activity, 3.0, neurons=list("abcd"), behavior=behavior, organism=f"worm-{i}"
        ).save(folder / str(i))


def start_and_signal(folder, number, *options, to_the_group, so_far):
    """Start a comparison, signal it once it has a score, and give it when it has ended."""
    save_noise(folder, n_times=300)
    with open(folder / "out", "w") as out, open(folder / "err", "w") as err:
        command = subprocess.Popen(
            [*COMMAND, "compare", ".", *SLOW, *options, "--out", "results"],
            stdout=out,
            stderr=err,
            cwd=folder,
            env=command_environment(),
            start_new_session=True,
            # A shell's background job would ignore Ctrl-C, and so would what it starts.
            preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
        )
    try:
        wait_until(
            lambda: (
                command.poll() is not None
                or (so_far.exists() and so_far.read_bytes().count(b"\n") > 1)
            )
        )
        assert command.poll() is None, (folder / "err").read_text()
        (os.killpg if to_the_group else os.kill)(command.pid, number)
        command.wait(PATIENCE)
    finally:
        if command.poll() is None:
            os.killpg(command.pid, signal.SIGKILL)
            command.wait()
    return command


def wait_until(is_so):
    start = time.monotonic()
    while not is_so():
        assert time.monotonic() < start + PATIENCE
        time.sleep(0.05)


def is_running(process):
    """Whether it does more than wait for its parent to note its end."""
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def workers_of(group):
    """Return the processes of a group, but for those that only watch over resources."""
    listed = subprocess.run(
        ["ps", "-eo", "pid,pgid,args"], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(maxsplit=2) for line in listed.splitlines()[1:]]
    return [
        row[0]
        for row in rows
        if row[1] == str(group) and is_running(row[0]) and "resource_tracker" not in row[2]
    ]


posix = pytest.mark.skipif(os.name != "posix", reason="signals and groups of processes are POSIX")


@posix
def test_ctrl_c_ends_every_split_and_says_how_far_it_came(tmp_path):
    out = tmp_path / "results"
    out.mkdir()
    for name in ("scores.csv", "table.txt", "scores_time.png"):
        (out / name).write_text("of an earlier run")
    command = start_and_signal(
        tmp_path, signal.SIGINT, to_the_group=False, so_far=out / "scores.partial.csv"
    )
    errors = (tmp_path / "err").read_text()
    assert command.returncode == 130, errors
    assert "Traceback" not in errors
    assert sorted(path.name for path in out.iterdir()) == ["scores.csv", "scores.png", "table.txt"]
    scores = pd.read_csv(out / "scores.csv", keep_default_na=False)
    fits = scores.drop_duplicates(["split", "model", "fold", "seed"])
    never = fits["error"] == "not run: interrupted"
    assert len(fits) == 12
    assert 0 < (~never).sum() < 6
    assert never[fits["split"] == "time"].all()
    assert (scores["score"] == "").equals(scores["error"] != "")
    table = (out / "table.txt").read_text(encoding="utf-8")
    printed = (tmp_path / "out").read_text()
    assert table in printed
    n_done = (~never).sum()
    assert f"interrupted, {n_done} of 6 fits" in table
    assert "interrupted, 0 of 6 fits; not compared\nnot run: persistence, recurrent\n" in table
    assert errors.endswith(f"error: interrupted, {n_done} of 12 fits\n")


@posix
@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_a_request_to_end_ends_the_workers_too(tmp_path):
    out = tmp_path / "results"
    options = ("--jobs", "2", "--split", "organisms")
    command = start_and_signal(
        tmp_path, signal.SIGTERM, *options, to_the_group=True, so_far=out / "scores.csv"
    )
    errors = (tmp_path / "err").read_text()
    assert command.returncode == 128 + signal.SIGTERM, errors
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("error: interrupted, ")
    assert "interrupted, " in (out / "table.txt").read_text(encoding="utf-8")
    wait_until(lambda: not workers_of(command.pid))
