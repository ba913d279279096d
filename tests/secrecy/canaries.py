"""Unique texts in the places of secrets, and a search for each in all its forms."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

#: Signs on both ends of a text that base64 puts together with neighbours that nobody knows.
_EDGE = 4


@dataclass(frozen=True, slots=True)
class Canary:
    """A text that is secret, and what it stands for."""

    what: str
    text: str

    def forms(self) -> Iterator[str]:
        """The text as it is, and as logs and protocols may write it."""
        yield self.text
        yield quote(self.text, safe="")
        yield quote_plus(self.text)
        yield escape(self.text)
        yield json.dumps(self.text)[1:-1]
        yield self.text.encode().hex()
        for shift in range(3):
            coded = base64.b64encode(b"x" * shift + self.text.encode()).decode()
            yield coded[_EDGE if shift else 0 : -_EDGE]


def sung(canaries: list[Canary], places: Mapping[str, str]) -> list[str]:
    """Where a canary is found, in words."""
    found = []
    for place, text in places.items():
        for canary in canaries:
            pattern = "|".join(re.escape(form) for form in dict.fromkeys(canary.forms()))
            if hit := re.search(pattern, text):
                around = text[max(0, hit.start() - 80) : hit.end() + 40]
                found.append(f"wrong: {canary.what} is in {place}: …{around}…")
    return found
