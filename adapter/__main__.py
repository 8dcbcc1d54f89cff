"""Runs the command line: `python -m adapter`, and `joycaption` once it is installed."""

from adapter.cli.main import run

if __name__ == "__main__":
    run()
