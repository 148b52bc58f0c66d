"""The command line: thin commands over the Python API.

Nothing heavy is imported before a command needs it, so that `hepnn --help` is quick.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hepnn.cli import curves, explaining, looking, online, searching, shipping, training
from hepnn.errors import HepnnError

app = typer.Typer(
    name="hepnn",
    help="One network, the same bits in Keras, TFLite, HLS and Verilog.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _commands in (training, searching, curves, shipping, online, looking, explaining):
    app.add_typer(_commands.app)


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """One network, the same bits in Keras, TFLite, HLS and Verilog."""


def main() -> None:
    """Run the command line: one line for a user's mistake, and its exit code."""
    debug = "--debug" in sys.argv
    try:
        app()
    except HepnnError as error:
        if debug:
            raise
        print(f"hepnn: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:  # a path that cannot be read or written
        if debug:
            raise
        where = f"{error.filename}: " if error.filename else ""
        print(f"hepnn: {where}{error.strerror or error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("hepnn: interrupted", file=sys.stderr)
        sys.exit(2)
