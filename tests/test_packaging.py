"""What is handed out: the wheel's content, and that it works where there is no checkout."""

import hashlib
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from genrec.shipped import CHECKPOINTS, RECIPES, SUFFIXES, shipped_names

pytestmark = pytest.mark.slow
SHIPPED = (*SUFFIXES, CHECKPOINTS)
# Bytes; the small checkpoint is nine tenths of it.
LARGEST_WHEEL = 12_000_000
TINY_RUN = ("data.options={items: 60, shoppers: 40}", "semantic_ids.codebook_size=16")
TINY_RUN += ("train.steps=2", "train.validate_every=2", "train.batch_size=4")


def run(*words, cwd, **options):
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(repository, tmp_path_factory):
    """The wheel made from the checkout, the sdist, and the wheel made from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    build = (sys.executable, "-m", "build", "--no-isolation", "--outdir")
    run(*build, folder / "direct", "--wheel", repository, cwd=folder)
    # Without --wheel: first the sdist, then a wheel from what the sdist holds.
    run(*build, folder / "both", repository, cwd=folder)
    (direct,) = (folder / "direct").glob("*.whl")
    (sdist,) = (folder / "both").glob("*.tar.gz")
    (through,) = (folder / "both").glob("*.whl")
    return direct, sdist, through


def sources(repository):
    """The files that the wheel should hold, under the names that they have there."""
    listed = run(
        "git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=repository
    ).splitlines()
    kept = [name for name in listed if (repository / name).is_file()]
    shipped = {name for name in kept if name.partition("/")[0] in SHIPPED}
    return {name for name in kept if name.startswith("genrec/")} | {
        f"genrec/_shipped/{name}" for name in shipped
    }


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_the_wheel_holds_the_package_and_what_it_ships_and_nothing_else(built, repository):
    if not (repository / ".git").exists():
        pytest.skip("what belongs to the project is read from git")
    held = {name for name in zipfile.ZipFile(built[0]).namelist() if ".dist-info/" not in name}
    assert held == sources(repository)
    assert len(held) > 300
    for needed in (
        "genrec/_shipped/prompts/recommend/next_item.jinja",
        "genrec/_shipped/recipes/quickstart.yaml",
        "genrec/_shipped/checkpoints/product-diffusion-toy/unet/diffusion_pytorch_model.safetensors",
        "genrec/creatives/layout/fonts/Rubik-Arabic-Bold.ttf",
        "genrec/serving/page/index.html",
        "genrec/py.typed",
    ):
        assert needed in held


def test_licence_and_notice_travel_with_the_wheel_and_it_stays_small(built):
    names = zipfile.ZipFile(built[0]).namelist()
    assert {name.rpartition("/")[2] for name in names if "/licenses/" in name} == {
        "LICENSE",
        "NOTICE",
    }
    size = built[0].stat().st_size
    print(f"wheel: {size / 1e6:.1f} MB, {len(names)} files")
    assert size < LARGEST_WHEEL


def test_the_sdist_makes_the_same_wheel_byte_for_byte(built):
    direct, sdist, through = built
    assert direct.name == through.name
    assert digest(direct) == digest(through)
    with tarfile.open(sdist) as archive:
        roots = {name.split("/")[1] for name in archive.getnames() if "/" in name}
    assert {"genrec", "tests", "docs", "pyproject.toml", "LICENSE", "NOTICE"} <= roots
    assert not roots & {"runs", "dist", ".venv", ".git"}


@pytest.fixture(scope="module")
def fresh(built, tmp_path_factory, repository):
    """An environment that holds the wheel and sees the packages installed here, but no checkout."""
    folder = tmp_path_factory.mktemp("fresh")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    install = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet")
    run(*install, "--no-index", "--no-deps", built[0], cwd=folder)
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    packages = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    # Files that such a folder has itself, such as an editable genrec's, are not read from there.
    (site / "packages.pth").write_text("\n".join(packages) + "\n")
    return folder


def genrec(fresh, *words):
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(fresh), "HF_HUB_OFFLINE": "1"}
    environment["OMP_NUM_THREADS"] = "1"
    return run(fresh / "venv" / "bin" / "genrec", *words, cwd=fresh, env=environment)


def test_the_installed_command_runs_from_any_folder_and_knows_its_version(fresh, repository):
    where = run(
        fresh / "venv" / "bin" / "python", "-c", "import genrec; print(genrec.__file__)", cwd=fresh
    )
    assert Path(where.strip()).is_relative_to(fresh)
    version = genrec(fresh, "--version").strip()
    assert f'version = "{version}"' in (repository / "pyproject.toml").read_text()


def test_the_installed_command_finds_its_recipes(fresh):
    listed = genrec(fresh, "ls", "recipes")
    assert all(name in listed for name in shipped_names(RECIPES))


def test_the_installed_command_makes_a_run_of_the_toy_shop(fresh):
    genrec(fresh, "run", "toy-shop", "--into", "shop", *TINY_RUN)
    made = {path.name for path in (fresh / "shop").iterdir()}
    assert {"dataset", "item_vectors", "semantic_ids", "recommender", "report"} <= made
    assert "ndcg@10" in (fresh / "shop" / "report" / "report.json").read_text()
