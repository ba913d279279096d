"""Text of clouds and of people, on its way to a terminal, a log or a condition."""

from __future__ import annotations

#: Stands for what cannot be printed.
_BLANK = " "


def printable(text: str) -> str:
    """``text`` on one line, without what steers a terminal, turns the direction of writing, or is no character at all."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else _BLANK for sign in text)
