"""How long permission decisions take beside 100,000 grants, and beside casbin's; the audit log of 10^6 entries; TLS.

    python benchmarks/bench_security.py [--grants 100000] [--casbin 200] [--entries 1000000] [--tenants 1000]
                                        [--tls-rounds 5]

Decisions are asked of subjects, places and rights at random. casbin looks through its rules for each question, so it
gets fewer: `--casbin` grants, and its time is shown beside ours for as many. Entries of the audit log are appended
a thousand at a time, then one by one, and verified by our code and by the program that shares none with it.

TLS: two gateways over one mock upstream, one of them with a generated certificate, each with one worker. Requests that
are not streamed, over connections that are kept; rounds alternate between both, and the shares are of neighbours.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench_gateway import Mock, Up, load

from steward.core.access import Grant, Place
from steward.core.identity import ALL_RIGHTS, Right, operator
from steward.security.access import BUILT_IN_ROLES, AccessTable
from steward.security.audit import verify_audit
from steward.security.audit.log import AuditWriter
from steward.security.audit.note import Signer
from steward.security.audit.verify import verify_log
from steward.security.hierarchy import RecordPlace, open_record, seal_record
from steward.workflows.keys import open_keys
from steward.workflows.root_rotation import rotate_root
from steward.workflows.serve.deployment import HomeDeployment
from steward.workflows.shared_secrets import ensure_secret
from steward.workflows.subject_keys import TENANT_KEY

QUESTIONS = 20_000
RIGHTS: list[Right] = sorted(ALL_RIGHTS)


def make_grants(count: int, rng: random.Random) -> list[Grant]:
    """A tenth of the people of each tenant, over ten tenants, have a role on one of many routes."""
    roles = list(BUILT_IN_ROLES)
    return [
        Grant(
            id=str(number),
            subject=f"person:{rng.randrange(count // 10 + 1)}",
            role=rng.choice(roles),
            place=Place(
                f"t{rng.randrange(10)}", f"p{rng.randrange(20)}", rng.choice((None, f"route:{rng.randrange(50)}"))
            ),
            created_at=0.0,
            created_by="operator:0",
        )
        for number in range(count)
    ]


def make_questions(grants: list[Grant], count: int, rng: random.Random) -> list[tuple[list[str], Right, Place]]:
    """Half about a grant that is there, half about somebody's rights elsewhere."""
    asked = []
    for _ in range(count):
        grant, other = rng.choice(grants), rng.choice(grants)
        place = grant.place if rng.random() < 0.5 else other.place
        asked.append(([grant.subject, "group:a", "group:b"], rng.choice(RIGHTS), place))
    return asked


def time_each(
    decide: Callable[[list[str], Right, Place], object], asked: list[tuple[list[str], Right, Place]]
) -> list[float]:
    """Microseconds of each decision."""
    times = []
    for subjects, right, place in asked:
        start = time.perf_counter_ns()
        decide(subjects, right, place)
        times.append((time.perf_counter_ns() - start) / 1000)
    return times


def show(name: str, times: list[float]) -> None:
    cuts = statistics.quantiles(times, n=1000)
    print(f"{name:<40} p50 {cuts[499]:9.2f} µs   p99 {cuts[989]:9.2f} µs   p99.9 {cuts[998]:9.2f} µs", flush=True)


def time_casbin(grants: list[Grant], rng: random.Random) -> list[float]:
    import casbin

    model = casbin.model.Model()
    model.load_model_from_text(
        "[request_definition]\nr = sub, ten, pro, res, act\n[policy_definition]\np = sub, ten, pro, res, act\n"
        "[policy_effect]\ne = some(where (p.eft == allow))\n[matchers]\n"
        'm = r.sub == p.sub && r.ten == p.ten && (p.pro == "*" || r.pro == p.pro) && '
        '(p.res == "*" || r.res == p.res) && r.act == p.act\n'
    )
    enforcer = casbin.Enforcer(model)
    for grant in grants:
        place = grant.place
        for right in BUILT_IN_ROLES[grant.role].rights:
            enforcer.add_policy(grant.subject, place.tenant, place.project or "*", place.resource or "*", right)

    def decide(subjects: list[str], right: Right, place: Place) -> object:
        return enforcer.enforce(subjects[0], place.tenant, place.project or "-", place.resource or "-", right)

    return time_each(decide, make_questions(grants, 20, rng))


def time_audit(count: int) -> None:
    """Rates of appending and seconds of verifying `count` entries of 250 bytes, on the disk of the temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        writer = AuditWriter(place, Signer("benchmark", bytes(32)))
        entries = [b"%0250d" % number for number in range(count)]
        start = time.perf_counter()
        for first in range(0, count, 1000):
            writer.append(entries[first : first + 1000])
        rate = count / (time.perf_counter() - start)
        print(f"audit, {count:,} entries, 1,000 at a time   appended {rate:11,.0f} /s", flush=True)
        start = time.perf_counter()
        for number in range(100):
            writer.append([b"%0250d" % number])
        print(f"audit, one at a time, each on the disk   appended {100 / (time.perf_counter() - start):11,.0f} /s")
        start = time.perf_counter()
        assert verify_log(place).error is None
        print(f"audit, {count:,} entries   verified in {time.perf_counter() - start:6.2f} s", flush=True)
        start = time.perf_counter()
        subprocess.run([sys.executable, verify_audit.__file__, folder], stdout=subprocess.DEVNULL)
        print(f"audit, {count:,} entries   verified in {time.perf_counter() - start:6.2f} s by verify_audit.py")


def time_sealing(count: int, size: int) -> None:
    """One record of `size` bytes sealed and opened; the target is 50 µs for both."""
    text, place = os.urandom(size), RecordPlace("default", "captures", "sealed", "req_1")
    key, key_id = os.urandom(32), os.urandom(16)
    sealing, opening = [], []
    for _ in range(count):
        began = time.perf_counter()
        sealed = seal_record(key, key_id, text, place)
        between = time.perf_counter()
        open_record(key, sealed, place)
        sealing.append((between - began) * 1e6)
        opening.append((time.perf_counter() - between) * 1e6)
    show(f"sealing {size:,} bytes", sealing)
    show(f"opening {size:,} bytes", opening)


def time_rotation(tenants: int) -> None:
    """Another root key for a home of so many tenants; the target is 1 s for 1,000."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        with open_keys(HomeDeployment(home=home), time.time()) as (store, _, root):
            for number in range(tenants):
                ensure_secret(store.secrets, root, TENANT_KEY, f"t{number}", 1.0)
        result = rotate_root(home, actor=operator(os.getuid()))
        print(f"root key rotated, {tenants:,} tenants   {result.secrets:,} secrets in {result.took_s:.2f} s")


def compare_tls(rounds: int, seconds: float) -> None:
    """Requests a second over eight connections, with TLS and without."""
    mock = Mock(1, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        plain = Up(Path(folder) / "plain", "--model", mock.url)
        os.environ["STEWARD_GATEWAY__TLS"] = "auto"
        secured = Up(Path(folder) / "tls", "--model", mock.url)
        os.environ["SSL_CERT_FILE"] = str(secured.home / "tls" / "ca.pem")
        rates: dict[str, list[float]] = {plain.url: [], secured.url: []}
        for number in range(rounds):
            for up in (plain, secured) if number % 2 else (secured, plain):
                rates[up.url].append(load("rate", up.url, up.key, "mock", 8, seconds)["requests_per_s"])
        for up in (plain, secured):
            up.stop()
        mock.stop()
    shares = [tls / clear for clear, tls in zip(rates[plain.url], rates[secured.url], strict=True)]
    medians = [statistics.median(values) for values in rates.values()]
    print(
        f"plain {medians[0]:,.0f}/s, TLS {medians[1]:,.0f}/s: {statistics.median(shares):.2f} of it "
        f"({min(shares):.2f} to {max(shares):.2f} in {rounds} rounds)",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--grants", type=int, default=100_000)
    parser.add_argument("--casbin", type=int, default=200)
    parser.add_argument("--entries", type=int, default=1_000_000, help="of the audit log; 0 leaves it out")
    parser.add_argument("--tenants", type=int, default=1000, help="of the rotation; 0 leaves it out")
    parser.add_argument("--tls-rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    given = parser.parse_args()
    rng = random.Random(16)
    for count in sorted({given.casbin, given.grants} - {0}):
        grants = make_grants(count, rng)
        table = AccessTable(grants)
        show(f"steward, {count:,} grants", time_each(table.decide, make_questions(grants, QUESTIONS, rng)))
    if given.casbin:
        show(f"casbin, {given.casbin:,} grants", time_casbin(make_grants(given.casbin, rng), rng))
    if given.entries:
        time_audit(given.entries)
    time_sealing(QUESTIONS, 4096)
    if given.tenants:
        time_rotation(given.tenants)
    if given.tls_rounds:
        compare_tls(given.tls_rounds, given.seconds)


if __name__ == "__main__":
    main()
