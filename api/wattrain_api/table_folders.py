"""Folders that are one table: the same for whoever checks them beforehand and for whoever reads them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

TableFolder = Literal["parquet", "datasets"]
FILE_STATE: Final = "state.json"
FILE_INFO: Final = "dataset_info.json"
_FILE_SPLITS: Final = "dataset_dict.json"
_ENDING: Final = ".parquet"
_REMEDY: Final = (
    "give a file, a folder of .parquet files, or a folder that save_to_disk of Hugging Face's datasets wrote"
)


def table_folder(names: Iterable[str]) -> tuple[TableFolder, tuple[str, ...]]:
    """What a folder with the files `names` (with `/` between folders) is, and which of them are read, in their order.

    ValueError, whose text is for the user and goes on after the folder's name: it is no table.
    """
    found = sorted(name for name in names if not name.rpartition("/")[2].startswith("_"))  # such as Spark's _SUCCESS
    if _FILE_SPLITS in found:
        splits = sorted({name.partition("/")[0] for name in found if name.endswith(f"/{FILE_STATE}")})
        raise ValueError(f"has several splits, {', '.join(splits) or 'none whole'}; give the folder of one of them")
    if FILE_STATE in found:
        arrow = [name for name in found if name.endswith(".arrow") and "/" not in name]
        return "datasets", (FILE_STATE, *([FILE_INFO] if FILE_INFO in found else []), *arrow)
    tables = [name for name in found if name.lower().endswith(_ENDING)]
    if not tables:
        raise ValueError(f"is a directory without {_ENDING} files; {_REMEDY}")
    for name in found:
        if any("=" in part for part in name.split("/")[:-1]):
            raise ValueError(
                f"has {name}, whose folder is named after the value of a column, which is not read; write the files "
                "with that column in them"
            )
        if name not in tables:
            raise ValueError(f"has {name} beside its {_ENDING} files; remove it, or give a folder of these alone")
    return "parquet", tuple(tables)
