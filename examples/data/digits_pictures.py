"""Writes the 1,797 digits that Wattrain brings (8x8 pixels, grey) as pictures: a folder for each class.

python examples/data/digits_pictures.py FOLDER
"""

import csv
import gzip
import sys
from importlib.resources import files
from pathlib import Path

from PIL import Image

BRIGHTEST = 16


def main(folder: Path) -> None:
    table = gzip.decompress((files("wattrain_worker.data") / "digits.csv.gz").read_bytes()).decode()
    for number, (*values, label) in enumerate(csv.reader(table.splitlines())):
        pixels = bytes(round(int(value) * 255 / BRIGHTEST) for value in values)
        path = folder / label / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.frombytes("L", (8, 8), pixels).save(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
