#!/usr/bin/env bash
# Runs every check and test, two or more at a time. Up to five tests before real clusters and processes that fail beside
# the others are run once more, alone: on few cores the others may have taken the seconds that they wait for. Each that
# passes then is named as unsteady and wants to be mended; one that fails twice fails the run, and so does any other test.
set -uo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
unset PYTHONDONTWRITEBYTECODE # tests start about a thousand Python processes: each would compile our modules anew
"$python" -m pytest -n "$(nproc)" --dist worksteal --durations 40 --durations-min 5 "$@"
status=$?
[ "$status" -eq 1 ] || exit "$status" # all passed; or the run itself broke

"$python" - <<'CHOICE' || exit 1
import json, sys
from pathlib import Path

cached = Path(".pytest_cache/v")
failed = json.loads((cached / "cache/lastfailed").read_text())
rights = cached / "wattrain/rights"
steady = [name for name in failed if not name.startswith(("tests/shell/", "tests/cluster/", "tests/e2e/"))]
sys.exit(bool(steady) or not failed or len(failed) > 5 or rights.exists() and rights.read_text().strip() != "[]")
CHOICE
echo "Once more, alone, what failed beside others:"
"$python" -m pytest --last-failed --last-failed-no-failures none --verbose "$@" || exit 1
echo "UNSTEADY: these passed alone only; they are named above."
