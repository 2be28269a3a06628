"""What it costs to start: the package, the command's help, classical and graph estimators.

usage: python benchmarks/startup.py [--runs 5]

CPU seconds (user and system) and peak memory of a fresh process, median of several runs in
alternation, and the ratio to importing numpy, pandas and scikit-learn, which any script of a
user does.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys

REFERENCE = "numpy, pandas, scikit-learn"
STARTS: dict[str, list[str]] = {
    REFERENCE: ["-c", "import numpy, pandas, sklearn"],
    "nothing (python -c pass)": ["-c", "pass"],
    "import skneurograph": ["-c", "import skneurograph"],
    "skneurograph --help": ["-m", "skneurograph.cli", "--help"],
    "skneurograph compare --help": ["-m", "skneurograph.cli", "compare", "--help"],
    "a mistyped option": ["-m", "skneurograph.cli", "compare", "--modles", "graph"],
    "Recording, sliding_windows": ["-c", "from skneurograph import Recording, sliding_windows"],
    "compare, default_models": ["-c", "from skneurograph import compare, default_models"],
    "CorrelationGraph": ["-c", "from skneurograph.graph_inference import CorrelationGraph"],
    "torch": ["-c", "import torch"],
    "skorch": ["-c", "import skorch"],
    "GraphClassifier": ["-c", "from skneurograph.decoding import GraphClassifier"],
}


def measure(arguments: list[str]) -> tuple[float, float]:
    """CPU seconds and peak megabytes of a process."""
    process = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, _, usage = os.wait4(process.pid, 0)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Print a row for each way to start."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in STARTS}
    for _ in range(runs + 1):
        for name, arguments in STARTS.items():
            found[name].append(measure(arguments))
    # The first run fills the caches of the system.
    medians = {
        name: [statistics.median(column) for column in zip(*rows[1:])]
        for name, rows in found.items()
    }
    base = medians[REFERENCE][0]
    print(f"{'':32s} {'CPU s':>7s} {'ratio':>6s} {'MB':>6s}")
    for name, (seconds, megabytes) in medians.items():
        print(f"{name:32s} {seconds:7.2f} {seconds / base:6.2f} {megabytes:6.0f}")


if __name__ == "__main__":
    main()
