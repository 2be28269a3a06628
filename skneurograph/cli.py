"""The command line: ``skneurograph compare``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import pandas as pd
import torch
import typer
from joblib import parallel_config
from threadpoolctl import threadpool_limits

from skneurograph import (
    Recording,
    __version__,
    compare,
    default_models,
    make_worms,
    sliding_windows,
)
from skneurograph.windows import average_classes

__all__ = ["app", "main"]

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

# Options that take several values after one flag, as a shell's glob gives them.
_SEVERAL = ("--recordings", "--models", "--drop", "--seed")


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
        str, typer.Option(help="'behavior' (labels) or the name of a covariate.")
    ] = "behavior",
    models: Annotated[
        list[str] | None, typer.Option(help="Models to compare; all by default.")
    ] = None,
    window: Annotated[int, typer.Option(min=1, help="Frames of a window.")] = 8,
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
    try:
        if task == "next":
            raise ValueError("--task: 'next' is forecasting; expected 'behavior' or a covariate")
        loaded = _load(recordings, seeds[0])
        prepared = [recording.zscore() for recording in loaded]
        if by == "class" and not any((part.neuron_classes != "").any() for part in prepared):
            typer.echo("no recording has neuron classes: columns are neurons (--by name)", err=True)
            by = "name"
        if by == "class":
            prepared = [recording.zscore() for recording in average_classes(prepared)]
        elif by != "name":
            raise ValueError(f"--by: got {by!r}; expected 'name' or 'class'")
        windows = sliding_windows(
            prepared, window, target=task, neurons=neurons, lag=lag, drop=drop
        )
        lineup = default_models(
            _kind(task),
            names=_split_commas(models),
            neurons=windows.neurons,
            identities=windows.identities,
        )
        out.mkdir(parents=True, exist_ok=True)
    except (ValueError, OSError) as error:
        _fail(error)
    header = (
        f"{windows!r}; decoding {task}, one organism held out at a time\n"
        f"columns by {by}, neurons {neurons}, lag {lag}{' (not causal)' if lag else ''}, "
        f"seeds {', '.join(map(str, seeds))}, skneurograph {__version__}"
    )
    typer.echo(header)
    _run(windows, lineup, out, jobs, seeds, "simulated" if not recordings else "", header)


def _run(windows, lineup, out, jobs, seeds, note, header) -> None:  # type: ignore[no-untyped-def]
    csv = out / "scores.csv"
    written = False

    def keep(rows: pd.DataFrame) -> None:
        nonlocal written
        rows.to_csv(csv, mode="a" if written else "w", header=not written, index=False)
        written = True

    reference = next((name for name in ("logistic", "ridge") if name in lineup), next(iter(lineup)))
    try:
        with parallel_config("loky", inner_max_num_threads=1):
            result = compare(
                lineup,
                windows.X,
                windows.y,
                groups=windows.groups,
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
    text = str(result)
    if note:
        text += "\nsimulated recordings (make_worms), not real animals"
    typer.echo(text)
    result.to_csv(csv)
    (out / "table.txt").write_text(f"{header}\n{text}\n", encoding="utf-8")
    display = result.plot()
    if note:
        display.ax_.set_title("simulated recordings", fontsize="small")
    display.figure_.savefig(out / "scores.png", dpi=150)
    typer.echo(f"wrote {csv}, {out / 'table.txt'} and {out / 'scores.png'}")


def _load(paths: Sequence[Path] | None, seed: int) -> list[Recording]:
    if not paths:
        return list(make_worms(5, random_state=seed).recordings)
    loaded = [Recording.load(path) for path in paths]
    organisms = {recording.organism for recording in loaded}
    if len(organisms) < 2:
        raise ValueError(
            f"the recordings are of one organism only ({organisms.pop()}); holding out organisms "
            "needs at least two"
        )
    return loaded


def _kind(task: str) -> Literal["classifier", "regressor"]:
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
