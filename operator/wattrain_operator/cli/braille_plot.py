"""A curve drawn with the dots of braille characters: two columns and four rows of dots in each."""

from __future__ import annotations

from collections.abc import Sequence

_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_BLANK = 0x2800


def braille(points: Sequence[tuple[float, float]], width: int, height: int) -> list[str]:
    """`height` lines of `width` characters that show y over x, the largest y on top. Dots of neighbouring columns are
    joined, so that a steep curve stays a curve. No points: blank lines."""
    columns, rows = width * 2, height * 4
    cells = [[_BLANK] * width for _ in range(height)]
    previous: int | None = None
    for column, found in enumerate(_resampled(points, columns, rows)):
        y = previous if found is None else found  # fewer points than columns: the curve stays where it was
        if y is None:
            continue
        start = y if previous is None else previous
        step = 1 if y >= start else -1
        for row in range(start + step if start != y else y, y + step, step):
            cells[row // 4][column // 2] |= _DOTS[column % 2][row % 4]
        previous = y
    return ["".join(map(chr, line)) for line in cells]


def _resampled(points: Sequence[tuple[float, float]], columns: int, rows: int) -> list[int | None]:
    """For every column the row of the mean of its points; None where it has none."""
    if not points:
        return [None] * columns
    sums: list[tuple[float, int]] = [(0.0, 0)] * columns
    first, last = points[0][0], points[-1][0]
    for x, y in points:
        column = int((x - first) / ((last - first) or 1) * (columns - 1))
        total, count = sums[column]
        sums[column] = total + y, count + 1
    means = [total / count if count else None for total, count in sums]
    known = [mean for mean in means if mean is not None]
    low, high = min(known), max(known)
    scale = (rows - 1) / ((high - low) or 1)
    return [None if mean is None else round((high - mean) * scale) for mean in means]
