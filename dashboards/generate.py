"""The dashboards as files that Grafana imports.

`python dashboards/generate.py [--check]` writes them; `--check` writes nothing and exits with 1 where one is not
current.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from wattrain_api.generated import add_check_option, write_or_check
from wattrain_dashboards.catalogue import DASHBOARDS
from wattrain_dashboards.frame import to_json
from wattrain_dashboards.house_rules import broken_rules

FOLDER = Path(__file__).parent
COMMAND = "python dashboards/generate.py"


def main() -> int:
    """Write or check the files; the exit status."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Write Grafana's dashboards.")
    add_check_option(parser)
    files = {FOLDER / f"{name}.json": to_json(build()) for name, build in DASHBOARDS.items()}
    broken = [f"{path.name}: {rule}\n" for path, text in files.items() for rule in broken_rules(text)]
    if broken:
        sys.stderr.writelines(broken)
        return 1
    return write_or_check(files, check=parser.parse_args().check, command=COMMAND)


if __name__ == "__main__":
    sys.exit(main())
