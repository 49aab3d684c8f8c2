"""Support tickets in German, with their classes."""

from __future__ import annotations

import random

TICKETS = {
    "Rechnung": (
        "die Rechnung für {month} habe ich doppelt erhalten",
        "der Betrag auf meiner Rechnung ist höher als vereinbart",
        "bitte erstatten Sie mir die zu hohe Gebühr auf der Rechnung",
        "die Abbuchung im {month} passt nicht zur Rechnung",
    ),
    "Störung": (
        "seit {month} fällt das Internet ständig aus",
        "der Router leuchtet rot und das Internet geht nicht mehr",
        "die Verbindung zum Internet bricht jeden Abend ab",
        "das WLAN ist gestört und das Internet sehr langsam",
    ),
    "Kündigung": (
        "hiermit kündige ich meinen Vertrag zum Ende {month}",
        "ich möchte meinen Vertrag fristgerecht kündigen",
        "bitte bestätigen Sie mir die Kündigung meines Vertrags",
        "wegen Umzugs kündige ich den Vertrag im {month}",
    ),
    "Lieferung": (
        "das Paket mit dem neuen Gerät ist nicht angekommen",
        "wann kommt mein Paket mit der Bestellung aus dem {month}",
        "die Sendung liegt seit Tagen im Lager, wo bleibt das Paket",
        "der Bote hat mein Paket beim falschen Nachbarn abgegeben",
    ),
}
NEW = {
    "Guten Tag, der Betrag auf meiner Rechnung ist höher als vereinbart. Jörg Weiß": "Rechnung",
    "Hallo, seit Oktober fällt das Internet ständig aus. Kundennummer 77001": "Störung",
    "Hallo, hiermit kündige ich meinen Vertrag zum Ende Dezember. Grüße, Käthe Groß": "Kündigung",
    "Guten Tag, das Paket mit dem neuen Gerät ist nicht angekommen!": "Lieferung",
}


def tickets(count: int) -> list[tuple[object, ...]]:
    drawn = random.Random(0)
    rows: list[tuple[object, ...]] = []
    for number in range(count):
        name = list(TICKETS)[number % 4]
        said = drawn.choice(TICKETS[name]).format(month=drawn.choice(("Januar", "März", "Mai", "Juli")))
        hello = drawn.choice(("Guten Tag", "Hallo", "Sehr geehrte Damen und Herren"))
        text = f"{hello}, {said}. Kundennummer {drawn.randint(10_000, 99_999)}"
        rows.append((4000 + number, f"{1 + number % 28:02}.03.2026", text, name))
    drawn.shuffle(rows)
    return [("Nr", "Eingang", "Nachricht", "Kategorie"), *rows]
