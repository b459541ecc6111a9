"""The command line as one of several processes: only the main one is heard.

The others say something only if they fail and the main process does not.
"""

from __future__ import annotations

import logging
import os
import sys
import time
import warnings

from genrec.errors import ConfigError, GenrecError
from genrec.training.company import Company

# Whoever started the processes ends the others within this time when the main one fails.
_HEARD_FIRST = 5.0


def begin(command: str | None) -> None:
    """Silences every process but the main one.

    Raises:
        ConfigError: several processes were started for a command that one does.
    """
    company = Company.of_environment()
    if company.alone:
        return
    if command not in (None, "run"):
        raise ConfigError(
            f"{company.count} processes were started, and 'genrec {command}' is done by one. Start "
            "it without a launcher; 'genrec run' trains in several."
        )
    # Read when torch is loaded: DistributedDataParallel tells each step's cost in every process.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    if not company.main:
        logging.disable(logging.CRITICAL)
        warnings.simplefilter("ignore")


def say(error: GenrecError) -> None:
    """Prints an error; in another than the main process, if nobody else has a say."""
    try:
        company = Company.of_environment()
    except ConfigError:
        company = Company()
    if company.main:
        print(f"genrec: {error}", file=sys.stderr)
        return
    time.sleep(_HEARD_FIRST)
    print(f"genrec: process {company.rank} of {company.count}: {error}", file=sys.stderr)
