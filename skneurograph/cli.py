"""The command line: ``skneurograph compare``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import numpy as np
import pandas as pd
import torch
import typer
from joblib import parallel_config
from threadpoolctl import threadpool_limits

from skneurograph import (
    Comparison,
    Recording,
    Windows,
    __version__,
    compare,
    default_models,
    make_worms,
    sliding_windows,
)
from skneurograph.model_selection import forecast_scorers
from skneurograph.windows import average_classes

__all__ = ["app", "main"]

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

# Options that take several values after one flag, as a shell's glob gives them.
_SEVERAL = ("--recordings", "--models", "--drop", "--seed", "--horizon")
# Models that the others are tested against, where they are among them.
_REFERENCES = ("logistic", "ridge", "var")
# Part of every recording that is tested when it is split in time.
_LAST_PART = 0.3


def _fail(message: object) -> NoReturn:
    typer.echo(f"error: {' '.join(str(message).split())}", err=True)
    raise typer.Exit(2)


def _version(show: bool) -> None:
    if show:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Graph models of neural recordings beside their classical rivals."""


@app.command(name="compare")
def compare_command(
    recordings: Annotated[
        list[Path] | None,
        typer.Option(help="Recordings (.npz). Without any, simulated worms are compared."),
    ] = None,
    task: Annotated[
        str,
        typer.Option(help="'behavior' (labels), the name of a covariate, or 'forecast'."),
    ] = "behavior",
    models: Annotated[
        list[str] | None, typer.Option(help="Models to compare; all by default.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Hold out 'organisms', or the last part in 'time' of each; 'both'. By default "
            "organisms, and both for forecasts."
        ),
    ] = None,
    window: Annotated[
        int | None, typer.Option(min=1, help="Frames of a window: 8, and 16 for forecasts.")
    ] = None,
    horizon: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Steps at which forecasts are scored: 1 and 16."),
    ] = None,
    by: Annotated[
        str, typer.Option(help="Columns are neurons ('name') or averages of a 'class'.")
    ] = "class",
    neurons: Annotated[
        str, typer.Option(help="Columns: 'union', 'shared' or 'all' (with unidentified neurons).")
    ] = "union",
    lag: Annotated[
        int, typer.Option(min=0, help="Decode that many frames back (then not causal).")
    ] = 0,
    drop: Annotated[list[str] | None, typer.Option(help="Labels to leave out.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the table, the CSV and the PNG.")] = Path(
        "comparison"
    ),
    jobs: Annotated[int, typer.Option(help="Fits at the same time; -1 for all cores.")] = 1,
    seed: Annotated[
        list[int] | None, typer.Option(help="Seeds of the models (and of the simulation).")
    ] = None,
) -> None:
    """Hold out one organism at a time and score every model on it."""
    seeds = seed or [0]
    forecasts = task == "forecast"
    horizons = sorted(set(horizon or (1, 16)))
    try:
        if task == "next":
            raise ValueError("--task: got 'next'; the frames that follow are --task forecast")
        if horizon and not forecasts:
            raise ValueError(f"--horizon: it needs --task forecast, not {task}")
        splits = _splits(split or ("both" if forecasts else "organisms"))
        loaded = _load(recordings, seeds[0])
        if by == "class" and not any((part.neuron_classes != "").any() for part in loaded):
            typer.echo("no recording has neuron classes: columns are neurons (--by name)", err=True)
            by = "name"
        if by not in ("class", "name"):
            raise ValueError(f"--by: got {by!r}; expected 'name' or 'class'")
        cut: dict[str, Any] = {"neurons": neurons, "lag": lag, "drop": drop}
        n_times = window or (16 if forecasts else 8)
        if forecasts:
            cut |= {"target": "next", "horizon": max(horizons)}
        else:
            cut |= {"target": task}
        hold_out = {"organisms": _hold_out_organisms, "time": _hold_out_the_end}
        data = {name: hold_out[name](loaded, by, n_times, cut) for name in splits}
        windows = data[splits[0]][0]
        lineup = default_models(
            _kind(task),
            names=_split_commas(models),
            neurons=windows.neurons,
            identities=windows.identities,
        )
        out.mkdir(parents=True, exist_ok=True)
    except (ValueError, OSError) as error:
        _fail(error)
    (out / "scores.csv").unlink(missing_ok=True)
    text, written = "", []
    for name, (windows, cv) in data.items():
        steps = ", ".join(map(str, horizons))
        what = f"forecasting {steps} steps" if forecasts else f"decoding {task}"
        header = (
            f"{windows!r}; {what}, {_SPLITS[name]}\n"
            f"columns by {by}, neurons {neurons}, lag {lag}{' (not causal)' if lag else ''}, "
            f"seeds {', '.join(map(str, seeds))}, skneurograph {__version__}"
        )
        typer.echo(header)
        result = _run(
            windows,
            lineup,
            out / "scores.csv",
            jobs=jobs,
            seeds=seeds,
            cv=cv,
            scoring=forecast_scorers(horizons) if forecasts else None,
            label=name if len(data) > 1 else None,
        )
        table = _tables(result, horizons if forecasts else None)
        if not recordings:
            table += "\nsimulated recordings (make_worms), not real animals"
        typer.echo(table)
        text += f"{header}\n{table}\n\n"
        # After each split, so that what is done is not lost with what fails.
        (out / "table.txt").write_text(text.rstrip() + "\n", encoding="utf-8")
        picture = out / ("scores.png" if name == splits[0] else f"scores_{name}.png")
        _draw(result, picture, simulated=not recordings)
        written.append(picture)
    paths = [out / "scores.csv", out / "table.txt", *written]
    typer.echo(f"wrote {', '.join(map(str, paths[:-1]))} and {paths[-1]}")


_SPLITS = {
    "organisms": "one organism held out at a time (traces z-scored over each whole recording)",
    "time": f"within each organism, the first {1 - _LAST_PART:.0%} against what follows",
}


def _splits(split: str) -> list[str]:
    if split not in ("organisms", "time", "both"):
        raise ValueError(f"--split: got {split!r}; expected 'organisms', 'time' or 'both'")
    return ["organisms", "time"] if split == "both" else [split]


def _prepare(recording: Recording, by: str, until: float | None = None) -> Recording:
    """Scale traces (by what comes before ``until``), and average classes if asked for."""
    scaled = recording.zscore(until=until)
    if by == "class":
        scaled = average_classes([scaled])[0].zscore(until=until)
    return scaled


def _hold_out_organisms(
    loaded: list[Recording], by: str, n_times: int, cut: dict[str, Any]
) -> tuple[Windows, Any]:
    organisms = {recording.organism for recording in loaded}
    if len(organisms) < 2:
        raise ValueError(
            f"the recordings are of one organism only ({organisms.pop()}); holding out organisms "
            "needs at least two; --split time needs one"
        )
    return sliding_windows([_prepare(part, by) for part in loaded], n_times, **cut), None


def _hold_out_the_end(
    loaded: list[Recording], by: str, n_times: int, cut: dict[str, Any]
) -> tuple[Windows, Any]:
    """Cut every recording in two, a window apart, so that nothing straddles the split."""
    first, last = [], []
    for recording in loaded:
        split = float(np.quantile(recording.time, 1 - _LAST_PART))
        scaled = _prepare(recording, by, until=split)
        gap = n_times / recording.sampling_rate
        first.append(scaled.between(scaled.time[0], split))
        last.append(scaled.between(split + gap, np.inf))
    windows = sliding_windows([*first, *last], n_times, **cut)
    organisms = np.array([part.organism for part in loaded])
    of_recording = np.tile(organisms, 2)[windows.recording]
    is_last = windows.recording >= len(loaded)
    own = [of_recording == name for name in np.unique(organisms)]
    cv = [(np.flatnonzero(rows & ~is_last), np.flatnonzero(rows & is_last)) for rows in own]
    return windows, cv


def _run(
    windows: Windows,
    lineup: dict[str, Any],
    csv: Path,
    *,
    jobs: int,
    seeds: list[int],
    cv: Any,
    scoring: Any,
    label: str | None,
) -> Comparison:
    """Compare, writing scores as they come and all of them, sorted, at the end."""
    before = pd.read_csv(csv, dtype=str, keep_default_na=False) if csv.exists() else None

    def keep(rows: pd.DataFrame) -> None:
        _labelled(rows, label).to_csv(csv, mode="a", header=not csv.exists(), index=False)

    reference = next((name for name in _REFERENCES if name in lineup), next(iter(lineup)))
    try:
        with parallel_config("loky", inner_max_num_threads=1):
            result = compare(
                lineup,
                windows.X,
                np.asarray(windows.y),
                groups=windows.groups,
                cv=cv,
                scoring=scoring,
                reference=reference,
                seeds=seeds,
                n_jobs=jobs,
                verbose=1,
                on_result=keep,
            )
    except ValueError as error:
        _fail(error)
    except KeyboardInterrupt:
        _fail("interrupted before the first fit was done")
    scores = _labelled(result.scores, label)
    (scores if before is None else pd.concat([before, scores])).to_csv(csv, index=False)
    return result


def _labelled(rows: pd.DataFrame, split: str | None) -> pd.DataFrame:
    return rows if split is None else rows.assign(split=split)


def _tables(result: Comparison, horizons: list[int] | None) -> str:
    if horizons is None:
        return str(result)
    return "\n".join(result.to_text(f"r2@{steps}") for steps in horizons)


def _draw(result: Comparison, path: Path, *, simulated: bool) -> None:
    display = result.plot()
    if simulated:
        display.ax_.set_title("simulated recordings", fontsize="small")
    display.figure_.savefig(path, dpi=150)


def _load(paths: Sequence[Path] | None, seed: int) -> list[Recording]:
    if not paths:
        return list(make_worms(5, random_state=seed).recordings)
    return [Recording.load(path) for path in paths]


def _kind(task: str) -> Literal["classifier", "regressor", "forecaster"]:
    if task == "forecast":
        return "forecaster"
    return "classifier" if task == "behavior" else "regressor"


def _split_commas(names: Sequence[str] | None) -> list[str] | None:
    if not names:
        return None
    return [part for name in names for part in name.split(",") if part]


def _spread(arguments: Sequence[str]) -> list[str]:
    """Rewrite ``--recordings a b`` as ``--recordings a --recordings b``."""
    spread: list[str] = []
    flag = ""
    given = 0
    for argument in arguments:
        if argument.startswith("-") and not argument.lstrip("-").isdigit():
            flag, given = (argument if argument in _SEVERAL else ""), 0
            spread.append(argument)
            continue
        if flag and given:
            spread.append(flag)
        spread.append(argument)
        given += 1
    return spread


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    # The models are small: threads of one fit would only get in the way of the others.
    torch.set_num_threads(1)
    given = _spread(sys.argv[1:] if arguments is None else arguments)
    try:
        with threadpool_limits(limits=1):
            status = app(given, prog_name="skneurograph", standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        typer.echo("error: interrupted", err=True)
        status = 130
    except Exception as error:
        # Usage errors of the parser, which has moved between libraries from version to version.
        if not hasattr(error, "format_message"):
            raise
        message = " ".join(error.format_message().split())
        if message:
            typer.echo(f"error: {message}", err=True)
        status = 2
    sys.exit(status)


if __name__ == "__main__":
    main()
