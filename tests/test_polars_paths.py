"""A path stands for one file: polars would take brackets and stars in a folder's name as more."""

import re
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "genrec"


def test_no_reader_of_polars_takes_a_path_for_a_pattern():
    calls = [
        (path, call)
        for path in sorted(SOURCE.rglob("*.py"))
        for call in re.findall(
            r"pl\.(?:read|scan)_(?:parquet|csv|ndjson)\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)",
            path.read_text(encoding="utf-8"),
        )
    ]
    assert len(calls) >= 25
    loose = [
        f"{path.name}: {call}"
        for path, call in calls
        if "glob=False" not in call and "glob.escape" not in call and "BytesIO" not in call
    ]
    # This one is handed bytes.
    assert [one for one in loose if "files.py" not in one] == []
