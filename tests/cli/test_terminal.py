import io
import os
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest

from skneurograph import Recording, compare, default_models, sliding_windows
from skneurograph.cli import _terminal as terminal
from skneurograph.cli._terminal import Interrupts, in_options, in_words_of_the_shell, say


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (
            "neurons='union': no neuron; use neurons='all'",
            "--neurons union: no neuron; use --neurons all",
        ),
        ('neurons="all"', "--neurons all"),
        (
            "average_classes=True: no classes; use average_classes=False",
            "--average-classes: no classes; use --no-average-classes",
        ),
        ("lag: got 1 with target='next'", "--lag: got 1 with --task forecast"),
        ("target='speed': it has none", "--task speed: it has none"),
        ("not target=None", "not --task None"),
        ("horizon: got 4; expected horizon=1", "--horizon: got 4; expected --horizon 1"),
        ("drop that label, or give drop=", "drop that label, or give --drop"),
        ("from 0 to n_times - 1 = 7", "from 0 to --window - 1 = 7"),
        ("n_jobs == 0 in Parallel has no meaning", "--jobs == 0 in Parallel has no meaning"),
        ("names: got x; expected some of y", "--models: got x; expected some of y"),
        ("seeds: got none", "--seed: got none"),
        ("random_state=-1", "--seed -1"),
        ("y: got the single label ['r']", "--task: got the single label ['r']"),
        # Words of English, fields of other things, and names that only end alike.
        ("Recording.neurons: got shape (3,)", "Recording.neurons: got shape (3,)"),
        ("a.npz: Recording.time: got 3", "a.npz: Recording.time: got 3"),
        ("after the drop: the names of 3 neurons", "after the drop: the names of 3 neurons"),
        ("x_neurons='all', my.lag='3'", "x_neurons='all', my.lag='3'"),
        ("patience=None", "patience=None"),
    ],
)
def test_arguments_are_said_as_options(said, meant):
    assert in_words_of_the_shell(said) == meant


@pytest.fixture
def recordings():
    rng = np.random.default_rng(0)
    return [
        Recording(rng.normal(size=(20, 2)), 1.0, behavior=np.arange(20) % 2, organism=name)
        for name in "ab"
    ]


@pytest.mark.parametrize(
    ("option", "arguments"),
    [
        ("--neurons", {}),
        ("--neurons", {"neurons": "most"}),
        ("--neurons", {"neurons": "intersection"}),
        ("--average-classes", {"average_classes": True}),
        ("--average-classes", {"average_classes": "no"}),
        ("--task", {"target": "speed", "neurons": "all"}),
        ("--lag", {"lag": 9}),
        ("--lag", {"lag": 1, "target": "next"}),
        ("--horizon", {"horizon": 0}),
        ("--horizon", {"horizon": 3}),
        ("--drop", {"drop": 1, "target": "next", "neurons": "all"}),
        ("--window", {"n_times": 0}),
    ],
    ids=str,
)
def test_errors_of_the_library_name_the_option(recordings, option, arguments):
    with pytest.raises(ValueError, match=f"(^|[ ;]){option}[ :]") as raised, in_options():
        sliding_windows(recordings, arguments.pop("n_times", 4), **arguments)
    for name in ("neurons", "average_classes", "target", "lag", "horizon", "drop", "n_times"):
        assert f"{name}=" not in str(raised.value)


def test_errors_of_other_functions_name_the_option_too():
    with pytest.raises(ValueError, match=r"^--models: got forest"), in_options():
        default_models(names=["forest"])
    X, y = np.zeros((4, 1, 1)), np.arange(4) % 2
    with pytest.raises(ValueError, match=r"^--seed: got none"), in_options():
        compare(default_models(names=["chance"]), X, y, cv=2, seeds=())


def test_warnings_of_the_library_name_the_option(recordings):
    with warnings.catch_warnings(record=True) as caught, in_options():
        warnings.simplefilter("always")
        sliding_windows(recordings, 4, neurons="all", drop=7)
    assert str(caught[0].message).startswith("--drop: 7 occurs in no window")


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("utf-8", "1 ± 2 ü\n"), ("latin-1", "1 ± 2 ü\n"), ("ascii", "1 +- 2 \\xfc\n")],
)
def test_any_terminal_can_show_what_is_said(monkeypatch, encoding, shown):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    monkeypatch.setattr(sys, "stdout", stream)
    say("1 ± 2 ü")
    assert stream.buffer.getvalue().decode(encoding) == shown


def test_names_of_files_that_are_no_text_can_be_said(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", stream)
    say(os.fsdecode(b"w\xffrm.npz"))
    assert stream.buffer.getvalue() == b"w\\udcffrm.npz\n"


def test_a_reader_who_has_left_is_no_error(monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        say("one")
        say("two")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_are_interrupts_and_give_the_exit_status(name):
    number = getattr(signal, name)
    before = signal.getsignal(number)
    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        assert interrupts.received
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
    assert interrupts.status == 128 + number
    assert signal.getsignal(number) == before


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            signal.raise_signal(signal.SIGHUP)
            assert not interrupts.received
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_is_short_is_finished_and_what_is_long_interrupted():
    done = []
    with Interrupts() as interrupts, interrupts.held_back():
        signal.raise_signal(signal.SIGINT)
        done.append("short")
        with pytest.raises(KeyboardInterrupt), interrupts.let_through():
            done.append("long")
        with interrupts.let_through():
            done.append("what follows")
        with pytest.raises(KeyboardInterrupt), interrupts.let_through():
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    assert done == ["short", "what follows"]


def test_closed_streams_are_opened_lest_a_file_takes_their_place():
    code = (
        "import importlib.util, os, sys; "
        "spec = importlib.util.spec_from_file_location('terminal', sys.argv[1]); "
        "module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module); "
        "module.open_streams(); assert os.open(sys.argv[1], os.O_RDONLY) > 2"
    )
    done = subprocess.run(
        f'"{sys.executable}" -c "{code}" "{terminal.__file__}" <&- >&- 2>&-',
        shell=True,
        check=False,
    )
    assert done.returncode == 0
