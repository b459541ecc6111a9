import subprocess
import sys

import pytest

from genrec.diffusion.options import SCHEDULERS, DiffusionOptions
from genrec.errors import ConfigError


def test_all_wrong_options_are_told_at_once_with_the_nearest_name():
    with pytest.raises(ConfigError) as error:
        DiffusionOptions(
            scheduler="lcmm",
            dtype="float8",
            steps=0,
            guidance=float("nan"),
            safety_threshold=2,
            adapters={"a.b": "x"},
        )
    text = str(error.value)
    assert len(text.splitlines()) == 7
    for part in ("did you mean 'lcm'", "float8", "name is empty", "steps is 0", "nan", "'a.b'"):
        assert part in text


def test_every_scheduler_has_a_name_that_is_taken():
    assert {DiffusionOptions(name="x", scheduler=one).scheduler for one in SCHEDULERS} == set(
        SCHEDULERS
    )
    assert len(SCHEDULERS) > 10


def test_options_and_jobs_load_nothing_heavy():
    code = (
        "import sys, genrec.diffusion; "
        "print(sorted({'torch', 'diffusers', 'transformers', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
