"""Makes `orders.jsonl`: 1,000 orders, the same whenever it runs (`python -m examples.data.make_orders`)."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from dagger import json
from examples.orders import Address, Line, Order

ORDERS: Final = Path(__file__).with_name("orders.jsonl")
COUNT: Final = 1_000
SEED: Final = 2026
FIRST: Final = datetime(2026, 1, 5, 7, 30, tzinfo=UTC)

_FIRST_NAMES: Final = ("Ada", "Chiara", "Emma", "Femi", "Hugo", "Ines", "Kenji", "Leila", "Mateo", "Olga", "Priya")
_LAST_NAMES: Final = ("Bauer", "Costa", "Dubois", "Hansen", "Kaya", "Kim", "Mensah", "Nowak", "Patel", "Rossi")
_STREETS: Final = {
    "DE": ("Hauptstr.", "Gartenweg", "Lindenallee", "Bahnhofstr."),
    "FR": ("rue des Lilas", "avenue Foch", "rue du Moulin"),
    "NL": ("Kerkstraat", "Dorpsstraat", "Molenweg"),
    "ES": ("Calle Mayor", "Calle del Sol", "Avenida del Mar"),
    "PL": ("ul. Polna", "ul. Lipowa", "ul. Ogrodowa"),
}
_CITIES: Final = {
    "DE": (("10115", "Berlin"), ("20095", "Hamburg"), ("50667", "Köln"), ("80331", "München")),
    "FR": (("75002", "Paris"), ("69001", "Lyon"), ("44000", "Nantes")),
    "NL": (("1012 AB", "Amsterdam"), ("3511 AA", "Utrecht")),
    "ES": (("28013", "Madrid"), ("08002", "Barcelona"), ("46002", "Valencia")),
    "PL": (("00-001", "Warszawa"), ("30-001", "Kraków")),
}
_ARTICLES: Final = (
    ("BK-1001", "Notebook, dotted, A5", 1290),
    ("BK-1002", "Fountain pen, medium nib", 3450),
    ("HM-2001", "Coffee grinder, manual", 7900),
    ("HM-2002", "Espresso cups, set of four", 2695),
    ("HM-2003", "Linen tea towel", 990),
    ("OD-3001", "Rain jacket, M", 12900),
    ("OD-3002", "Headlamp, 400 lm", 4495),
    ("OD-3003", "Steel bottle, 0.75 l", 2490),
    ("EL-4001", "USB-C charger, 65 W", 3999),
    ("EL-4002", "Cable, USB-C, 2 m", 1199),
    ("EL-4003", "Desk lamp, warm white", 5990),
    ("GD-5001", "Tomato seeds, three kinds", 549),
)


def orders(count: int = COUNT, seed: int = SEED) -> list[Order]:
    """So many orders, one every few minutes."""
    chance = random.Random(seed)
    placed, found = FIRST, list[Order]()
    for number in range(1, count + 1):
        placed += timedelta(seconds=chance.randint(20, 400))
        found.append(_order(chance, number, placed))
    return found


def _order(chance: random.Random, number: int, placed: datetime) -> Order:
    first, last = chance.choice(_FIRST_NAMES), chance.choice(_LAST_NAMES)
    chosen = chance.sample(_ARTICLES, chance.choices((1, 2, 3, 4), (50, 30, 15, 5))[0])
    lines = tuple(Line(*article[:2], chance.choices((1, 2, 3), (80, 15, 5))[0], article[2]) for article in chosen)
    country = chance.choice(tuple(_CITIES))
    email = f"{first}.{last}@example.com".lower()
    return Order(f"o-{number:05}", placed, email, _address(chance, f"{first} {last}", country), "EUR", lines)


def _address(chance: random.Random, name: str, country: str) -> Address:
    street, house = chance.choice(_STREETS[country]), chance.randint(1, 180)
    postcode, city = chance.choice(_CITIES[country])
    text = f"{house} {street}" if country == "FR" else f"{street} {house}"
    return Address(name, text, postcode, city, country)


def main() -> None:
    """Write the file."""
    wire = json.bind(Order)
    made = orders()
    ORDERS.write_bytes(b"".join(wire.encode(order) + b"\n" for order in made))
    print(f"{len(made):,} orders written to {ORDERS.name}")


if __name__ == "__main__":
    main()
