"""Makes sensor readings of 40 spindles, of which one in 27 breaks within the next shift. Nobody measured them.

python examples/data/machine_sensors.py FILE.csv

What follows from what (the constants are chosen, not measured):

- power = torque x 2 pi x speed / 60; the motor's heat is a tenth of it, and the housing stands 0.05 K above the hall
  for each watt of that heat, with a clogged cooler (in one of twelve shifts) twice as much;
- wear grows with hours since maintenance, the faster the larger the torque is;
- an unbalanced rotor vibrates with the square of the speed, and with the wear; the sensor adds noise;
- the spindle breaks in the next shift with a probability that rises with wear x torque (overload), with heat above 88
  degrees, and with vibration, each by a logistic function. So it is never certain, and no model can be.
"""

import csv
import math
import random
import sys
from pathlib import Path

SPINDLES, SHIFTS = 40, 300
HEADER = ["spindle", "hall_celsius", "housing_celsius", "speed_rpm", "torque_nm", "hours_since_maintenance",
          "vibration_mm_s", "breaks"]  # fmt: skip


def main(file: Path) -> None:
    draw = random.Random(7)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as out:
        table = csv.writer(out)
        table.writerow(HEADER)
        for spindle in range(SPINDLES):
            table.writerows(shifts(draw, f"s{spindle:02}"))


def shifts(draw, name):
    imbalance, hours = draw.uniform(0.5, 1.5), draw.uniform(0, 400)
    wear = hours / 500
    for shift in range(SHIFTS):
        hall = 21 + 4 * math.sin(shift / 30) + draw.gauss(0, 1)
        speed = draw.gauss(1500, 180)
        torque = max(5.0, draw.gauss(40, 9))
        power = torque * 2 * math.pi * speed / 60
        clogged = draw.random() < 1 / 12
        housing = hall + 0.1 * power * 0.05 * (2 if clogged else 1) + draw.gauss(0, 1.5)
        vibration = imbalance * (speed / 1500) ** 2 * (1 + 2 * wear) + draw.gauss(0, 0.25)
        breaks = draw.random() < max(
            logistic((wear * torque - 52) / 4), logistic((housing - 88) / 2), logistic((vibration - 6.2) / 0.3)
        )
        yield [name, *(f"{value:.3f}" for value in (hall, housing, speed, torque, hours, vibration)), breaks]
        hours += 8
        wear += 8 / 500 * (torque / 40) ** 2
        if breaks or draw.random() < hours / 20_000:
            hours, wear = 0.0, 0.0


def logistic(x):
    return 1 / (1 + math.exp(-x))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
