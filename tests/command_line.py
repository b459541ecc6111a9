"""The real command line within the tests' own process: a start of its own costs seconds each."""

import contextlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from genrec.cli.main import main


@dataclass(frozen=True)
class Done:
    """What a command left, as of ``subprocess.CompletedProcess``."""

    returncode: int
    stdout: str
    stderr: str


def genrec(folder: Path, *words: str, text: str = "") -> Done:
    """Runs ``genrec WORDS`` in a folder.

    Args:
        text: what stdin holds.
    """
    out, errors = io.StringIO(), io.StringIO()
    code: object = 0
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
        patch.object(sys, "argv", ["genrec", *words]),
        patch.object(sys, "stdin", io.StringIO(text)),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    assert isinstance(code, int)
    return Done(code, out.getvalue(), errors.getvalue())
