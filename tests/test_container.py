"""What the image and the compose file promise. No engine runs here: they are parsed and checked."""

import fnmatch
import json
import re
import subprocess

import dockerfile
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema import Draft7Validator

SECRET = re.compile(r"password|secret|token|api_?key|credential", re.IGNORECASE)


@pytest.fixture(scope="module")
def stages(repository):
    """The instructions of each stage, by its name."""
    found, stage = {}, []
    for one in dockerfile.parse_file(str(repository / "Dockerfile")):
        if one.cmd.upper() == "FROM":
            stage = found.setdefault(one.value[-1], [])
        stage.append(one)
    return found


@pytest.fixture(scope="module")
def compose(repository):
    return yaml.safe_load((repository / "compose.yaml").read_text())


def of(stage, name):
    return [one for one in stage if one.cmd.upper() == name]


def test_what_is_served_is_a_stage_of_its_own_that_takes_only_what_was_built(stages):
    assert list(stages) == ["build", "serve"]
    assert [one.flags for one in of(stages["serve"], "COPY")] == [("--from=build",)]
    assert not [one for stage in stages.values() for one in of(stage, "ADD")]


def test_the_service_is_not_root_says_whether_it_is_well_and_ends_in_order(stages):
    [user] = of(stages["serve"], "USER")
    assert int(user.value[0].partition(":")[0]) > 999
    after = stages["serve"][stages["serve"].index(user) :]
    assert not of(after, "RUN"), "nothing is installed as a user who may write there later"
    [health] = of(stages["serve"], "HEALTHCHECK")
    assert "/readyz" in " ".join(health.value)
    assert of(stages["serve"], "STOPSIGNAL")[0].value == ("SIGTERM",)


def test_no_secret_is_baked_in_and_no_base_is_whatever_is_newest(stages):
    for stage in stages.values():
        named = [name for kind in ("ENV", "ARG") for one in of(stage, kind) for name in one.value]
        assert not [name for name in named if SECRET.search(name)]
        for base in of(stage, "FROM"):
            assert "latest" not in base.value[0]


def test_the_default_build_is_for_a_cpu_and_an_argument_makes_it_cuda(stages, repository):
    defaults = dict(one.value[0].split("=", 1) for one in of(stages["build"], "ARG"))
    assert defaults["TORCH_INDEX"].endswith("/cpu")
    assert defaults["TORCH"] in (repository / "constraints.txt").read_text().splitlines()
    project = (repository / "pyproject.toml").read_text()
    assert all(
        re.search(rf"^{extra} = \[", project, re.M) for extra in defaults["EXTRAS"].split(",")
    )


def test_the_image_is_built_from_the_files_that_may_enter_it(stages, repository):
    rules = (repository / ".dockerignore").read_text().splitlines()
    assert rules[1] == "*"
    allowed = [rule[1:] for rule in rules if rule.startswith("!")]
    taken = [name for one in of(stages["build"], "COPY") for name in one.value[:-1]]
    assert sorted(taken) == sorted(allowed)
    assert all((repository / name).exists() for name in taken)
    listed = subprocess.run(
        ["git", "ls-files"], cwd=repository, capture_output=True, text=True, check=False
    ).stdout.splitlines()
    assert not [name for name in listed if fnmatch.fnmatch(name, "*password*.txt")]


def test_the_compose_file_fits_the_specification(compose):
    schema = get_builtin_schema("vendor.compose-spec")
    wrong = [error.message for error in Draft7Validator(schema).iter_errors(compose)]
    assert not wrong
    assert list(Draft7Validator(schema).iter_errors({"services": {"x": {"ports": {"a": 1}}}}))


def test_the_service_waits_for_its_database_and_keeps_what_it_holds(compose):
    service, postgres = compose["services"]["genrec"], compose["services"]["postgres"]
    assert service["depends_on"]["postgres"]["condition"] == "service_healthy"
    assert "pg_isready" in " ".join(postgres["healthcheck"]["test"])
    [volume] = postgres["volumes"]
    assert volume.partition(":")[0] in compose["volumes"]


def test_the_service_is_open_to_this_machine_only_and_has_no_password_in_its_environment(compose):
    service = compose["services"]["genrec"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    for one in compose["services"].values():
        given = one.get("environment", {})
        assert not [name for name in given if SECRET.search(name) and not name.endswith("_FILE")]
    assert "ports" not in compose["services"]["postgres"]
    assert json.dumps(compose).count("postgresql://genrec@") == 1


def test_the_command_of_the_compose_file_is_one_that_genrec_knows(compose):
    import typer.main

    from genrec.cli.main import app

    [script] = compose["services"]["genrec"]["command"]
    words = script.partition("exec genrec ")[2].split()
    command = typer.main.get_command(app).commands[words[0]]
    known = {option for parameter in command.params for option in parameter.opts}
    options = {word for word in words if word.startswith("--")}
    assert len(options) >= 4
    assert options <= known
