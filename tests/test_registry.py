import subprocess
import sys

import pytest

from genrec.errors import ConfigError, MissingExtra
from genrec.registry import Entry, Registry

ANIMALS = Registry(
    "animal",
    {
        "ordered": Entry("collections:OrderedDict", about="keeps its order"),
        "counter": ("collections:Counter", ""),
        "absent": Entry("no_such_package_at_all.inner:Thing", extra="zoo"),
        "broken": Entry("genrec.no_such_module:Thing", extra="zoo"),
    },
)


def test_a_name_leads_to_its_object():
    from collections import Counter, OrderedDict

    assert ANIMALS.load("ordered") is OrderedDict
    assert ANIMALS.load("counter") is Counter
    assert ANIMALS.names() == ["absent", "broken", "counter", "ordered"]
    assert "ordered" in ANIMALS and "cat" not in ANIMALS


def test_an_unknown_name_is_answered_with_the_nearest_one():
    with pytest.raises(ConfigError, match=r"no animal 'orderd'; did you mean 'ordered'\?"):
        ANIMALS.load("orderd")


def test_a_missing_package_names_the_extra_that_installs_it():
    with pytest.raises(MissingExtra, match=r"pip install 'genrec\[zoo\]'") as caught:
        ANIMALS.load("absent")
    assert caught.value.package == "no_such_package_at_all"


def test_a_missing_module_of_our_own_is_not_blamed_on_an_extra():
    with pytest.raises(ModuleNotFoundError):
        ANIMALS.load("broken")


def test_a_taken_name_cannot_be_given_to_another_object():
    registry = Registry("animal", {"a": ("m:A", "")})
    registry.add("a", Entry("m:A"))
    registry.add("b", Entry("collections:Counter"))
    assert registry.names() == ["a", "b"]
    with pytest.raises(ConfigError, match="'a' is m:A already"):
        registry.add("a", Entry("m:B"))


def test_importing_the_registry_and_the_sources_loads_no_heavy_package():
    code = (
        "import sys, genrec.registry\n"
        "assert not {'torch', 'polars', 'transformers'} & set(sys.modules), 'registry'\n"
        "from genrec.data.sources import available_sources\n"
        "assert 'tables' in available_sources()\n"
        "assert not {'torch', 'transformers', 'pandas'} & set(sys.modules), 'sources'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
