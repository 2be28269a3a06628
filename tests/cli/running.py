"""Ways to run the command line, and what it should leave."""

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import skneurograph
from skneurograph import cli

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


def without(worm, **fields):
    """Change some fields of a recording."""
    return dataclasses.replace(worm, **fields)
