"""Makes interactions.csv: 400 people, 240 films, and tastes that we made up. It writes the same bytes each time."""

import csv
import random
from pathlib import Path

USERS, GENRES, FILMS_A_GENRE = 400, 12, 20


def main() -> None:
    drawn = random.Random(7)
    popularity = [1 / (1 + place) ** 0.8 for place in range(FILMS_A_GENRE)]
    rows = []
    for user in range(USERS):
        liked = drawn.sample(range(GENRES), 2)
        seen: set[str] = set()
        for _ in range(drawn.randint(12, 28)):
            genre = drawn.choices([*liked, drawn.randrange(GENRES)], [0.55, 0.35, 0.10])[0]
            seen.add(f"film-{genre:02d}-{drawn.choices(range(FILMS_A_GENRE), popularity)[0]:02d}")
        watched = sorted(seen)
        drawn.shuffle(watched)
        rows += [
            (f"person-{user:03d}", film, day)
            for day, film in zip(sorted(drawn.sample(range(365), len(seen))), watched, strict=True)
        ]
    rows.sort(key=lambda row: row[2])
    with Path(__file__).with_name("interactions.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("user", "item", "day"))
        table.writerows(rows)


if __name__ == "__main__":
    main()
