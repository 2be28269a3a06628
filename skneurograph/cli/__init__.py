"""The command line: ``skneurograph compare``."""

from skneurograph.cli.command import main

__all__ = ["main"]
