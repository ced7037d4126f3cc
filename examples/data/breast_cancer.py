"""Writes the breast cancer data that scikit-learn ships as a CSV file: 569 tumours, 30 measures of the nuclei of their
cells, and the diagnosis.

pip install scikit-learn
python examples/data/breast_cancer.py FILE.csv
"""

import csv
import sys
from pathlib import Path

from sklearn.datasets import load_breast_cancer


def main(file: Path) -> None:
    found = load_breast_cancer()
    header = [name.replace(" ", "_") for name in found.feature_names.tolist()]
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as out:
        table = csv.writer(out)
        table.writerow([*header, "diagnosis"])
        for values, label in zip(found.data.tolist(), found.target.tolist(), strict=True):
            table.writerow([*values, found.target_names[label]])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
