"""Logs: a line for people on a terminal, JSON otherwise; object and Provider in every line, a secret in none."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import TextIO

from hybridge.core.printable import printable

#: Attributes that a line may carry besides its message.
_FIELDS = ("object", "provider")
#: Libraries whose own lines below a warning say nothing to an operator's admin.
_QUIET = ("aiohttp", "asyncio", "boto3", "botocore", "kopf", "kubernetes", "proxmoxer", "urllib3")


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        line: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": printable(record.getMessage()),
        }
        line.update({name: getattr(record, name, "") for name in _FIELDS})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class PlainFormatter(logging.Formatter):
    """``12:00:03 WARNING VirtualMachine/shop/web-1 [aws-prod] what happened``."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        provider = getattr(record, "provider", "")
        words = [
            time.strftime("%H:%M:%S", time.localtime(record.created)),
            f"{record.levelname:<7}",
            getattr(record, "object", ""),
            f"[{provider}]" if provider else "",
            printable(record.getMessage()),
        ]
        line = " ".join(word for word in words if word)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def configure(style: str | None = None, *, verbose: bool = False, stream: TextIO | None = None) -> None:
    """Sets up the root logger. ``style``: ``json``, ``plain``, or None to choose by whether stderr is a terminal."""
    stream = stream or sys.stderr
    plain = style == "plain" or (style is None and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(PlainFormatter() if plain else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
