"""Launch files are read as those read them who start the processes."""

import re
import shutil
import subprocess

import pytest
import yaml
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import DeepSpeedPlugin
from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env

from genrec.errors import ConfigError
from genrec.shipped import LAUNCH, RECIPES, shipped_file, shipped_names
from genrec.training.sharding import wants_sharding
from genrec.training.zero import problems_of_launch

NAMES = shipped_names(LAUNCH)
BY_ACCELERATE = ["ddp-cpu-2.yaml", "ddp.yaml", "fsdp2.yaml"]
BY_DEEPSPEED = ["deepspeed-zero2.yaml", "deepspeed-zero3.yaml"]
SCRIPTS = [name for name in NAMES if name.endswith(".sbatch")]
ON_KUBERNETES = ["kuberay.yaml", "kubernetes-training.yaml"]


def read_by_accelerate(name):
    words = ["--config_file", str(shipped_file(LAUNCH, name)), "-m", "genrec", "run", "quickstart"]
    arguments, file, _ = _validate_launch_command(launch_command_parser().parse_args(words))
    assert (arguments.module, arguments.training_script) == (True, "genrec")
    assert arguments.training_script_args == ["run", "quickstart"]
    return arguments, file


def test_every_launch_file_is_of_a_kind_that_is_checked_here():
    assert sorted([*BY_ACCELERATE, *BY_DEEPSPEED, *SCRIPTS, *ON_KUBERNETES]) == NAMES
    assert not [name for name in shipped_names(RECIPES) if "launch" in name]


@pytest.mark.parametrize("name", NAMES)
def test_every_launch_file_says_what_it_is_and_its_command(name):
    text = shipped_file(LAUNCH, name).read_text()
    head = [line for line in text.splitlines() if line.startswith("# ")]
    assert head[0].endswith(".")
    assert f"recipes/launch/{name}" in text.split("Command: ")[1].splitlines()[0]


@pytest.mark.parametrize(
    ("name", "kind", "processes"), [("ddp-cpu-2.yaml", "cpu", 2), ("ddp.yaml", "gpu", 8)]
)
def test_accelerate_starts_as_many_processes_as_the_file_says(name, kind, processes):
    arguments, _ = read_by_accelerate(name)
    assert arguments.multi_gpu
    assert arguments.use_cpu == (kind == "cpu")
    said = prepare_multi_gpu_env(arguments)
    assert int(arguments.nproc_per_node) == processes
    assert "ACCELERATE_USE_FSDP" not in said


def test_what_accelerate_says_of_sharding_is_what_is_done(monkeypatch):
    arguments, _ = read_by_accelerate("fsdp2.yaml")
    assert arguments.use_fsdp
    said = prepare_multi_gpu_env(arguments)
    for name, value in said.items():
        if name.startswith(("ACCELERATE_USE", "FSDP")):
            monkeypatch.setenv(name, value)
    assert wants_sharding()
    monkeypatch.setenv("FSDP_ACTIVATION_CHECKPOINTING", "true")
    with pytest.raises(ConfigError, match="fsdp_activation_checkpointing must be false"):
        wants_sharding()


@pytest.mark.parametrize(("name", "stage"), list(zip(BY_DEEPSPEED, (2, 3), strict=True)))
def test_accelerate_makes_of_the_file_what_deepspeed_takes(name, stage, monkeypatch):
    arguments, file = read_by_accelerate(name)
    assert arguments.use_deepspeed
    arguments.deepspeed_fields_from_accelerate_config = ",".join(file.deepspeed_config)
    _, said = prepare_deepspeed_cmd_env(arguments)
    for key, value in said.items():
        if key.startswith("ACCELERATE"):
            monkeypatch.setenv(key, value)
    made = DeepSpeedPlugin().deepspeed_config
    assert made["zero_optimization"]["stage"] == stage
    assert made["gradient_accumulation_steps"] == 1
    # The recipe says it.
    assert made["gradient_clipping"] == "auto"
    assert problems_of_launch(max_grad_norm=0.5) == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_scripts_are_bash_and_start_genrec_on_every_machine(name):
    bash = shutil.which("bash")
    assert bash, "a shell is needed to check its scripts"
    file = shipped_file(LAUNCH, name)
    done = subprocess.run([bash, "-n", file], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    text = file.read_text()
    asked = dict(re.findall(r"^#SBATCH --([\w-]+)=(\S+)", text, re.MULTILINE))
    assert {"nodes", "ntasks-per-node", "gpus-per-node", "time"} <= asked.keys()
    assert asked["ntasks-per-node"] == "1"
    assert re.search(r"^srun .*", text, re.MULTILINE)
    assert "-m genrec run" in text


def test_a_script_without_a_recipe_says_so():
    for name in SCRIPTS:
        done = subprocess.run(["bash", shipped_file(LAUNCH, name)], capture_output=True, text=True)
        assert done.returncode != 0
        assert "name a recipe" in done.stderr


def documents(name):
    return list(yaml.safe_load_all(shipped_file(LAUNCH, name).read_text()))


def pod_specs(found):
    if isinstance(found, dict):
        if "containers" in found:
            yield found
        for value in found.values():
            yield from pod_specs(value)
    elif isinstance(found, list):
        for value in found:
            yield from pod_specs(value)


@pytest.mark.parametrize("name", ON_KUBERNETES)
def test_every_mounted_volume_is_there_and_the_shared_one_is_everywhere(name):
    specs = list(pod_specs(documents(name)))
    assert specs
    for spec in specs:
        volumes = {volume["name"] for volume in spec["volumes"]}
        for container in spec["containers"]:
            mounted = {mount["name"] for mount in container["volumeMounts"]}
            assert "shared" in mounted
            assert mounted <= volumes
            assert container["workingDir"] == "/shared"


def test_the_ray_job_has_a_head_workers_and_a_command_that_is_there():
    (job,) = documents("kuberay.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    assert {"headGroupSpec", "workerGroupSpecs", "rayVersion"} <= cluster.keys()
    assert all(
        group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
        for group in cluster["workerGroupSpecs"]
    )
    assert job["spec"]["entrypoint"].startswith("genrec recommend ")
    assert "--engine ray" in job["spec"]["entrypoint"]


def test_the_training_job_s_pods_find_the_first_by_its_name():
    service, job = documents("kubernetes-training.yaml")
    assert service["spec"]["clusterIP"] == "None" or service["spec"]["clusterIP"] is None
    assert job["spec"]["completionMode"] == "Indexed"
    pod = job["spec"]["template"]["spec"]
    assert pod["subdomain"] == service["metadata"]["name"]
    (container,) = pod["containers"]
    first = f"{job['metadata']['name']}-0.{service['metadata']['name']}"
    assert f"--rdzv_endpoint={first}:29500" in container["command"]
    assert f"--nnodes={job['spec']['completions']}" in container["command"]
