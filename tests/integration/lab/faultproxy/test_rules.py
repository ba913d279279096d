"""What a fault proxy does to the operations that its rules name."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from lab.faultproxy import Answer, Dark, Delay, FaultProxy, LoseAnswer, Reset, Rule
from lab.process import LabError
from tests.integration.lab.faultproxy.small import RUN, Client, SmallCloud, eventually


def test_counts_are_kept_by_operation_and_reset(client: Client, proxy: FaultProxy) -> None:
    for action in ("RunInstances", "DescribeInstances", "DescribeInstances"):
        client.act(action)
    client.get("/running")

    counts = proxy.counts()
    assert (proxy.total(), proxy.mutating()) == (4, 1)
    assert (counts[RUN].requests, counts[RUN].mutating, counts[RUN].statuses) == (1, True, {200: 1})
    assert (counts["ec2:DescribeInstances"].requests, counts["ec2:DescribeInstances"].mutating) == (2, False)
    assert counts["GET /running"].statuses == {500: 1}
    assert all(count.forwarded == count.requests and count.faults == 0 for count in counts.values())
    log = proxy.log()
    assert [(entry.operation, entry.status, entry.upstream, entry.fault) for entry in log] == [
        (RUN, 200, 200, ""),
        ("ec2:DescribeInstances", 200, 200, ""),
        ("ec2:DescribeInstances", 200, 200, ""),
        ("GET /running", 500, 500, ""),
    ]
    assert [entry.time for entry in log] == sorted(entry.time for entry in log)

    proxy.reset_counts()
    assert (proxy.counts(), proxy.log()) == ({}, [])


@pytest.mark.parametrize("how", ["500", "503"])
def test_a_lost_answer_becomes_an_error(client: Client, proxy: FaultProxy, small_cloud: SmallCloud, how: str) -> None:
    proxy.inject(Rule(RUN, LoseAnswer("500" if how == "500" else "503"), times=1))

    assert client.act("RunInstances").status_code == int(how)
    assert len(small_cloud.seen) == 1
    count = proxy.counts()[RUN]
    assert (count.requests, count.forwarded, count.faults, count.statuses) == (1, 1, 1, {int(how): 1})
    assert (proxy.log()[-1].upstream, proxy.log()[-1].fault) == (200, f"lose_answer {how}")
    assert client.act("RunInstances").status_code == 200


def test_a_lost_answer_breaks_the_connection(client: Client, proxy: FaultProxy, small_cloud: SmallCloud) -> None:
    proxy.inject(Rule("mutating", LoseAnswer("reset"), times=1))

    assert client.act("DescribeInstances").status_code == 200
    with pytest.raises(requests.ConnectionError, match="Connection aborted"):
        client.act("RunInstances")
    assert [body[:19] for body in small_cloud.bodies()] == [b"Action=DescribeInst", b"Action=RunInstances"]
    assert client.act("RunInstances").status_code == 200


def test_a_lost_answer_leaves_the_client_waiting(client: Client, proxy: FaultProxy, small_cloud: SmallCloud) -> None:
    proxy.inject(Rule(RUN, LoseAnswer("timeout")))

    with pytest.raises(requests.ReadTimeout):
        client.act("RunInstances", timeout=0.5)
    assert eventually(lambda: [(entry.status, entry.upstream) for entry in proxy.log()] == [(0, 200)])
    assert len(small_cloud.seen) == 1


def test_a_reset_comes_before_the_cloud(client: Client, proxy: FaultProxy, small_cloud: SmallCloud) -> None:
    proxy.inject(Rule(RUN, Reset()))

    with pytest.raises(requests.ConnectionError, match="Connection aborted"):
        client.act("RunInstances")
    assert small_cloud.seen == []
    assert proxy.counts()[RUN].forwarded == 0


def test_an_answer_comes_instead_of_the_cloud(client: Client, proxy: FaultProxy, small_cloud: SmallCloud) -> None:
    proxy.inject(Rule("ec2:*", Answer(418, body="short", headers={"Retry-After": "7", "Content-Type": "text/tea"})))

    answer = client.act("RunInstances")

    assert (answer.status_code, answer.text, answer.headers["Retry-After"]) == (418, "short", "7")
    assert answer.headers["Content-Type"] == "text/tea"
    assert small_cloud.seen == []
    assert proxy.counts()[RUN].statuses == {418: 1}


def test_delays_let_requests_pass_and_other_rules_apply(
    client: Client, proxy: FaultProxy, small_cloud: SmallCloud
) -> None:
    proxy.inject(Rule("*", Delay(0.2)))
    assert client.act("RunInstances").status_code == 200
    assert proxy.log()[-1].seconds >= 0.2

    proxy.inject(Rule("*", Answer(503)))
    assert client.act("RunInstances").status_code == 503
    assert proxy.log()[-1].fault == "delay, answer 503"
    assert proxy.counts()[RUN].faults == 2
    assert len(small_cloud.seen) == 1


def test_a_dark_operation_is_held_until_the_faults_are_cleared(
    client: Client, proxy: FaultProxy, small_cloud: SmallCloud
) -> None:
    proxy.inject(Rule(RUN, Dark()))
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(client.act, "RunInstances")
        assert eventually(lambda: proxy.counts().get(RUN) is not None)
        assert client.act("DescribeInstances").status_code == 200
        assert not held.done()
        proxy.clear()
        with pytest.raises(requests.ConnectionError):
            held.result()
    assert [body[:20] for body in small_cloud.bodies()] == [b"Action=DescribeInsta"]


def test_rules_skip_then_hit_then_are_spent(client: Client, proxy: FaultProxy) -> None:
    number = proxy.inject(Rule("ec2:Run*", Answer(503), times=2, after=1))

    assert [client.act("RunInstances").status_code for _ in range(5)] == [200, 503, 503, 200, 200]
    (active,) = proxy.faults()
    assert (active.id, active.matched, active.hit) == (number, 5, 2)


def test_a_seed_repeats_its_chances(client: Client, proxy: FaultProxy) -> None:
    def statuses() -> list[int]:
        number = proxy.inject(Rule("*", Answer(503), probability=0.5, seed=3))
        found = [client.act("RunInstances").status_code for _ in range(30)]
        proxy.lift(number)
        return found

    first = statuses()
    assert set(first) == {200, 503}
    assert statuses() == first


def test_orders_that_make_no_sense_are_refused(proxy: FaultProxy) -> None:
    with pytest.raises(LabError, match="probability"):
        proxy.inject(Rule("*", Reset(), probability=2))
    with pytest.raises(LabError, match="no rule 4711"):
        proxy.lift(4711)
    assert proxy.faults() == []
