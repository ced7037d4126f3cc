"""The process behind `wattrain init` that lists a folder at an address, which only the worker has drivers for.

python -m wattrain_worker.data.address_listing --source '{"uri": "s3://bucket/pictures/"}'
"""

from __future__ import annotations

import argparse
import sys

from wattrain_api.data import Source
from wattrain_api.inspected import FolderNames
from wattrain_worker.data.inspection_command import answered
from wattrain_worker.data.remote_files import folder_at_address


def list_folder(source: Source) -> FolderNames:
    """What is in the folder at the address of `source`. A WorkerError where it cannot be listed, or has no files."""
    return FolderNames(names=tuple(name for name, _ in folder_at_address(source.uri or "")))


def main(arguments: list[str]) -> int:
    """List, and answer."""
    parser = argparse.ArgumentParser(prog="python -m wattrain_worker.data.address_listing")
    parser.add_argument("--source", required=True)
    return answered(list_folder, parser.parse_args(arguments).source)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
