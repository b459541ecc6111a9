"""What holds for every test: no network, a cache of its own, one thread per worker."""

import gc
import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

# No test depends on the clock, and the same tree gives the same result; HYPOTHESIS_PROFILE=explore
# draws anew; "first" stops at the first failure, for those who only ask whether there is one.
settings.register_profile(
    "same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "explore", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile(
    "first", settings.get_profile("same"), phases=[Phase.explicit, Phase.generate]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# Read when the packages are imported, so set before any test module is.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
if "PYTEST_XDIST_WORKER" in os.environ:
    # Two workers with two threads each wait for one another most of the time.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("MKL_NUM_THREADS", "1")

_OWN_CACHE = "GENREC_TEST_CACHE"


def pytest_configure(config):
    if _OWN_CACHE not in os.environ:
        # Workers inherit it, so that what one of them makes serves all.
        os.environ[_OWN_CACHE] = tempfile.mkdtemp(prefix="genrec-tests-")
        config._genrec_cache = os.environ[_OWN_CACHE]
    os.environ["GENREC_CACHE"] = os.environ[_OWN_CACHE]


def pytest_unconfigure(config):
    if made := getattr(config, "_genrec_cache", None):
        shutil.rmtree(made, ignore_errors=True)
        os.environ.pop(_OWN_CACHE, None)


def pytest_collection_finish():
    """Leaves what was imported out of every later search for garbage.

    It is never freed, and millions of objects are looked through in each search. The Trainer asks
    for one at each start, which took longer than most of what the tests train.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def no_network():
    """Connections that leave this machine fail at once, with the address."""
    connect = socket.socket.connect

    def local_only(self, address):
        host = address[0] if isinstance(address, tuple) else "local"
        if self.family != socket.AF_UNIX and host not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"a test tried to reach {address}; tests use no network")
        return connect(self, address)

    socket.socket.connect = local_only
    yield
    socket.socket.connect = connect


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout."""
    return Path(__file__).resolve().parent.parent
