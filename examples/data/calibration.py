"""Says how far the probabilities of a model can be believed, and what a threshold finds.

wattrain predict MODEL --split test --output csv --probabilities | python examples/data/calibration.py CLASS
"""

import csv
import sys

BINS = 5
THRESHOLDS = (0.1, 0.3, 0.5, 0.7, 0.9)


def main(positive: str) -> None:
    rows = list(csv.DictReader(sys.stdin))
    told = [(float(row[f"p_{positive}"]), row["label"] == positive) for row in rows if row["prediction"]]
    if not any(is_it for _, is_it in told):
        sys.exit(
            f"no row with a prediction has the label {positive}; give wattrain predict a file or a split with labels"
        )
    print(f"{len(told)} rows, {sum(is_it for _, is_it in told)} of them {positive}")
    print("\nThe model says    rows   it says, mean   it is so")
    error = 0.0
    for step in range(BINS):
        low, high = step / BINS, (step + 1) / BINS
        inside = [(p, is_it) for p, is_it in told if low <= p < high or (step == BINS - 1 and p == 1)]
        if inside:
            said, so = (sum(values) / len(inside) for values in zip(*inside, strict=True))
            error += abs(said - so) * len(inside) / len(told)
            print(f"{low:.1f} to {high:.1f}    {len(inside):9}   {said:13.3f}   {so:8.3f}")
    brier = sum((p - is_it) ** 2 for p, is_it in told) / len(told)
    print(f"Brier score {brier:.4f}, expected calibration error {error:.4f}")
    print("\nfrom      found   of those that are   right of those found")
    for least in THRESHOLDS:
        found = [is_it for p, is_it in told if p >= least]
        right, there = sum(found), sum(is_it for _, is_it in told)
        print(f"{least:.1f}   {len(found):8}   {right / there:17.3f}   {right / max(1, len(found)):20.3f}")


if __name__ == "__main__":
    main(sys.argv[1])
