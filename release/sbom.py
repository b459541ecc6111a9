"""``python -m release.sbom FILE``: what genrec brings along, as a CycloneDX bill of materials.

CycloneDX's own tool describes the environment; packages that only work on genrec itself are taken
out of its list, and each that stays says which extras bring it. The result is checked against the
format's schema.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.utils import canonicalize_name

from release.dependencies import CHECKOUT, Found, dependencies

SCHEMA = SchemaVersion.V1_6


def described() -> dict[str, Any]:
    """The environment that runs this, genrec itself as what it is all about."""
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible"]
    command += ["--spec-version", SCHEMA.to_version(), "--mc-type", "library"]
    command += ["--pyproject", str(CHECKOUT / "pyproject.toml"), sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"cyclonedx-py failed:\n{done.stderr}")
    return dict(json.loads(done.stdout))


def narrowed(bill: dict[str, Any], found: Found) -> dict[str, Any]:
    """The bill with those packages alone that genrec brings, each with its extras."""
    kept, refs = [], {bill["metadata"]["component"]["bom-ref"]}
    for component in bill["components"]:
        package = found.packages.get(canonicalize_name(component["name"]))
        if package is None:
            continue
        # Where a package lies on the machine that made the bill concerns nobody.
        component.pop("externalReferences", None)
        extras = [{"name": "genrec:extra", "value": extra} for extra in sorted(package.extras)]
        kept.append({**component, "properties": extras})
        refs.add(component["bom-ref"])
    edges = [
        {**edge, "dependsOn": [ref for ref in edge.get("dependsOn", []) if ref in refs]}
        for edge in bill.get("dependencies", [])
        if edge["ref"] in refs
    ]
    return {**bill, "components": kept, "dependencies": edges}


def problems(bill: dict[str, Any], found: Found) -> list[str]:
    """What is wrong with a bill: against the schema, or against what is installed."""
    wrong = JsonStrictValidator(SCHEMA).validate_str(json.dumps(bill))
    listed = {canonicalize_name(one["name"]) for one in bill["components"]}
    return [
        *([f"it does not fit CycloneDX {SCHEMA.to_version()}: {wrong}"] if wrong else []),
        *(f"{name} is missing" for name in sorted(found.packages.keys() - listed)),
    ]


def main() -> int:
    """Writes the bill and says what is wrong with it."""
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    found = dependencies()
    bill = narrowed(described(), found)
    wrong = problems(bill, found)
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(bill, indent=1) + "\n", encoding="utf-8")
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"{target}: {len(bill['components'])} packages")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
