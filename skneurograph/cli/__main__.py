"""Run ``python -m skneurograph.cli`` as ``skneurograph``."""

from skneurograph.cli import main

if __name__ == "__main__":
    main()
