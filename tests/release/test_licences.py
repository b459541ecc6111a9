from release.dependencies import CORE, Found, Package, dependencies
from release.licences import PAGE, Rules, problems, table
from release.sbom import SCHEMA, narrowed
from release.sbom import problems as problems_of_bill

PERMISSIVE = frozenset({"mit", "bsd-3-clause", "apache-2.0"})
RULES = Rules(PERMISSIVE, {"silent": "MIT"}, {"driver": "why"})


def found(*packages, absent=None):
    return Found({one.name: one for one in packages}, absent or {})


def package(name, licence, *extras):
    return Package(name, "1.0", licence, set(extras or (CORE,)))


def test_every_package_that_genrec_brings_may_come_along():
    everything = dependencies()
    assert len(everything.packages) > 80
    assert {"numpy", "pydantic"} <= everything.packages.keys()
    assert not everything.packages["numpy"].optional
    assert everything.packages["torch"].optional
    assert "pytest" not in everything.packages
    assert problems(everything, Rules.read()) == []


def test_the_page_names_every_package_and_its_licence():
    everything, rules = dependencies(), Rules.read()
    page = PAGE.read_text()
    rows = [line for line in table(everything, rules).splitlines() if line.startswith("| ")]
    lacking = [row for row in rows if row.rpartition("|")[0].rpartition("|")[0] not in page]
    assert not lacking, "write the page anew: make licences"


def test_what_asks_for_more_is_refused_unless_it_is_named_and_optional():
    sound = found(package("a", "MIT AND BSD-3-Clause"))
    assert not [line for line in problems(sound, RULES) if "a 1" in line]
    [wrong] = [line for line in problems(found(package("a", "GPL-3.0")), RULES) if "a 1.0" in line]
    assert "'GPL-3.0', which is not permissive" in wrong
    driver = package("driver", "LGPL-3.0", "postgres")
    assert not [line for line in problems(found(driver), RULES) if "driver" in line]
    core = package("driver", "LGPL-3.0", CORE)
    assert "every installation" in problems(found(core), RULES)[0]


def test_one_part_that_is_not_permissive_is_enough_and_silence_is_no_licence():
    assert RULES.is_permissive("Apache-2.0 OR (MIT AND BSD-3-Clause)")
    assert not RULES.is_permissive("MIT AND GPL-2.0")
    assert not RULES.is_permissive("")
    assert not RULES.is_permissive("MIT-like")
    assert not [
        line for line in problems(found(package("silent", "")), RULES) if "silent 1" in line
    ]


def test_a_rule_about_a_package_that_nothing_brings_is_told():
    told = problems(found(package("a", "MIT")), RULES)
    assert [line.partition(" ")[0] for line in told] == ["driver", "silent"]
    absent = found(package("a", "MIT"), absent={"x": {"driver", "silent"}})
    assert problems(absent, RULES) == []


def test_a_bill_of_materials_keeps_what_is_brought_and_says_by_which_extra():
    def part(name):
        return {"type": "library", "name": name, "version": "1", "bom-ref": name}

    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": SCHEMA.to_version(),
        "version": 1,
        "metadata": {"component": part("genrec")},
        "components": [part("A_b"), part("pytest")],
        "dependencies": [{"ref": "genrec", "dependsOn": ["A_b", "pytest"]}, {"ref": "pytest"}],
    }
    made = narrowed(bill, found(package("a-b", "MIT", "llm")))
    assert [one["name"] for one in made["components"]] == ["A_b"]
    assert made["components"][0]["properties"] == [{"name": "genrec:extra", "value": "llm"}]
    assert made["dependencies"] == [{"ref": "genrec", "dependsOn": ["A_b"]}]
    assert problems_of_bill(made, found(package("a-b", "MIT", "llm"))) == []
    assert problems_of_bill(made, found(package("z", "MIT"))) == ["z is missing"]
    made["components"][0]["type"] = "nonsense"
    assert "CycloneDX" in problems_of_bill(made, found())[0]
