"""Draws 20,000 digits of 28x28 pixels as an .npz file: `X` [20000, 784] from 0 to 255, and `y`. It needs Pillow.

They are not MNIST: nobody wrote them by hand. Each is one of ten shapes of lines, whose points are moved at random. It
is turned, sheared and scaled, and drawn with a pen of random width.

python examples/data/drawn_digits.py FILE.npz
"""

import random
import sys
from math import cos, pi, sin, tan
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

DIGITS, SIDE, FINER = 20_000, 28, 4
"""Drawn four times as large, and made smaller, so that lines have soft edges."""


def arc(x, y, width, height, first, last, points=14):
    angles = [(first + (last - first) * i / (points - 1)) * pi / 180 for i in range(points)]
    return [(x + width * cos(angle), y + height * sin(angle)) for angle in angles]


SHAPES = {
    0: [arc(0.5, 0.5, 0.26, 0.38, 0, 360, 22)],
    1: [[(0.36, 0.28), (0.54, 0.12), (0.54, 0.88)]],
    2: [[*arc(0.5, 0.32, 0.24, 0.2, 190, 380), (0.26, 0.86), (0.78, 0.86)]],
    3: [arc(0.47, 0.31, 0.24, 0.19, 200, 450), arc(0.47, 0.69, 0.27, 0.2, 270, 520)],
    4: [[(0.62, 0.12), (0.24, 0.62), (0.8, 0.62)], [(0.62, 0.4), (0.62, 0.9)]],
    5: [[(0.74, 0.14), (0.34, 0.14), (0.31, 0.46), *arc(0.48, 0.65, 0.26, 0.22, 235, 500)]],
    6: [[(0.66, 0.12), (0.4, 0.36), (0.29, 0.64), *arc(0.51, 0.68, 0.22, 0.2, 180, 540, 20)]],
    7: [[(0.24, 0.14), (0.76, 0.14), (0.44, 0.88)]],
    8: [arc(0.5, 0.31, 0.2, 0.19, 90, 450, 20), arc(0.5, 0.7, 0.24, 0.2, 270, 630, 20)],
    9: [[*arc(0.5, 0.33, 0.22, 0.2, 0, 360, 20), (0.72, 0.33), (0.7, 0.6), (0.56, 0.88)]],
}


def drawn(draw, digit):
    """[28, 28] uint8."""
    turn, shear = draw.gauss(0, 0.24), tan(draw.gauss(0, 0.22))
    wide, high = draw.uniform(0.5, 1.1), draw.uniform(0.6, 1.0)
    across, down, side = draw.gauss(0.5, 0.03), draw.gauss(0.5, 0.03), SIDE * FINER
    picture = Image.new("L", (side, side))
    pen, width = ImageDraw.Draw(picture), round(draw.uniform(1.6, 3.6) * FINER)
    bend, phase = draw.gauss(0, 0.08), draw.uniform(0, 2 * pi)
    for line in SHAPES[digit]:
        points = []
        for x, y in line:
            x += bend * sin(2 * pi * y + phase) + draw.gauss(0, 0.015)
            y += bend * cos(2 * pi * x + phase) + draw.gauss(0, 0.015)
            x, y = (x - 0.5) * wide + shear * (0.5 - y), (y - 0.5) * high
            x, y = x * cos(turn) - y * sin(turn), x * sin(turn) + y * cos(turn)
            points.append(((x + across) * side, (y + down) * side))
        pen.line(points, fill=255, width=width, joint="curve")
    soft = picture.filter(ImageFilter.GaussianBlur(FINER / 2)).resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(soft)


def main(file: Path) -> None:
    draw = random.Random(28)
    labels = np.array([number % 10 for number in range(DIGITS)], np.int64)
    pixels = np.stack([drawn(draw, int(label)).reshape(-1) for label in labels])
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(file, X=pixels, y=labels)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
