"""Command-line interface: ``skneurograph compare``."""

from skneurograph.cli._command import main

__all__ = ["main"]
