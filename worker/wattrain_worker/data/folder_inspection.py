"""The process behind `wattrain init` for what is no table: looks at pictures or texts, and proposes a job.

python -m wattrain_worker.data.folder_inspection --source '{"uri": "pictures"}'
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import PurePosixPath
from typing import Final, Literal

from wattrain_api.data import Source
from wattrain_api.inspected import InspectedFolder
from wattrain_worker.data.images.find_pictures import ENDINGS
from wattrain_worker.data.inspection_command import answered
from wattrain_worker.data.preparers import find_preparer
from wattrain_worker.data.source_files import SourceFiles, is_tar, opened
from wattrain_worker.errors import BadData

_TEXTS: Final = (".txt", ".jsonl")
_TABLES: Final = (".csv", ".npz", ".parquet")
_MOST_NAMED: Final = 5


def inspect_folder(source: Source) -> InspectedFolder:
    """What is in `source`, and a job that trains on it. A WorkerError where there are neither pictures nor texts."""
    files = opened(source)
    if _kind(files) == "image":
        find_preparer("image", "resnet")  # says what is not installed
        from wattrain_worker.data.images.picture_inspection import inspect_pictures

        return inspect_pictures(source, files)
    find_preparer("text", "gpt")
    from wattrain_worker.data.texts.text_inspection import inspect_texts

    return inspect_texts(source, files)


def _kind(files: SourceFiles) -> Literal["image", "text"]:
    """What there are more files of. A tar within a folder has pictures: texts are not read from one."""
    names = [file.name.lower() for file in files.files]
    pictures = sum(name.endswith(ENDINGS) or is_tar(name) for name in names)
    texts = sum(name.endswith(_TEXTS) for name in names)
    if not pictures and not texts:
        endings = Counter(PurePosixPath(name).suffix or "without an ending" for name in names)
        told = ", ".join(f"{count} {ending}" for ending, count in endings.most_common(_MOST_NAMED))
        more = ", ..." if len(endings) > _MOST_NAMED else ""
        table = next((file.name for file in files.files if file.name.lower().endswith(_TABLES)), None)
        one = f"; for the table {table!r} give its own path" if table and files.whole is None else ""
        raise BadData(
            f"data: {files.name!r} has neither pictures nor texts, but {told}{more}; give a folder or tar that has a "
            f"folder of pictures ({', '.join(ENDINGS)}) for each class, or one of texts ({', '.join(_TEXTS)}){one}"
        )
    return "image" if pictures >= texts else "text"


def main(arguments: list[str]) -> int:
    """Look, and answer."""
    parser = argparse.ArgumentParser(prog="python -m wattrain_worker.data.folder_inspection")
    parser.add_argument("--source", required=True)
    chosen = parser.parse_args(arguments)
    return answered(inspect_folder, chosen.source)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
