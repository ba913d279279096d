"""Tickets of a user with a password: shared by all threads, and renewed before they end."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import requests

from hybridge.drivers.base import Settings
from hybridge.drivers.proxmox import transport
from hybridge.drivers.proxmox.answers import Ticket
from hybridge.drivers.proxmox.transport import TicketLogin, Trust

TRUST = Trust.of(
    Settings(
        "pve",
        {"endpoint": "https://pve.example"},
        {},
        acquire=lambda: None,
        meter=lambda *_: None,
        insecure_skip_verify=True,
    )
)


class Door:
    """Gives out tickets, each another one."""

    def __init__(self) -> None:
        self.given = 0

    def __call__(self) -> Ticket:
        self.given += 1
        return Ticket(ticket=f"ticket-{self.given}", csrf=f"token-{self.given}")


def shown(login: TicketLogin, method: str = "GET") -> requests.PreparedRequest:
    return login(requests.Request(method, "https://pve.example/api2/json/version").prepare())


def test_one_ticket_serves_many_requests() -> None:
    door = Door()
    login = TicketLogin(TRUST, door)

    cookies = {shown(login).headers["Cookie"] for _ in range(3)}

    assert cookies == {"PVEAuthCookie=ticket-1"}
    assert shown(login, "POST").headers["CSRFPreventionToken"] == "token-1"
    assert door.given == 1


def test_a_ticket_is_renewed_long_before_its_two_hours_are_over(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 1000.0
    monkeypatch.setattr(transport, "time", SimpleNamespace(monotonic=lambda: clock))
    door = Door()
    login = TicketLogin(TRUST, door)
    shown(login)

    clock += 1800.0
    assert shown(login).headers["Cookie"] == "PVEAuthCookie=ticket-1"
    clock += 3600.0
    assert shown(login).headers["Cookie"] == "PVEAuthCookie=ticket-2"
    assert door.given == 2


def test_a_refused_ticket_is_given_up_once_unless_it_is_young(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 1000.0
    monkeypatch.setattr(transport, "time", SimpleNamespace(monotonic=lambda: clock))
    login = TicketLogin(TRUST, Door())
    shown(login)

    assert not login.renew()
    clock += 60.0
    assert login.renew()
    assert shown(login).headers["Cookie"] == "PVEAuthCookie=ticket-2"
    assert not login.renew()
