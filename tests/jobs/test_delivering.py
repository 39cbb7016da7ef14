"""Moves of CTAs told to a webhook: written with the move, signed, in order, at least once, on a real HTTP server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.conftest import Ended
from tests.cta.test_rules import account
from tests.cta.test_store import MONDAY, deciding, publish, run_row
from tests.databases import rows_of
from tests.receiver import SECRET, Receiver, answer, hang_up, receiving, silence_until
from tests.small_card import spec_of

from churnfit.cta.rules import ScoredAccount, decide
from churnfit.cta.webhook import Webhook
from churnfit.errors import SpecError, UsageError
from churnfit.jobs.delivering import Delivered, dead_letters, deliver, drop, retry
from churnfit.jobs.queue import claim, close, reopen
from churnfit.jobs.workspace import Workspace, find_workspace

Cli = Callable[..., Ended]


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now: datetime = datetime.now(tz=UTC).replace(microsecond=0) + timedelta(seconds=1)

    def __call__(self) -> datetime:
        return self.now

    def later(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def crm() -> Iterator[Receiver]:
    """The other end."""
    with receiving() as made:
        yield made


@pytest.fixture
def team(tmp_path: Path, database_url: str, crm: Receiver, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace whose CTAs are told to `crm`, of three attempts; a busy machine has half a minute for each."""
    monkeypatch.setenv("CRM_SECRET", SECRET)
    return made(tmp_path / "team", database_url, f'url = "{crm.url}"\ntimeout_seconds = 30\nattempts = 3')


def made(root: Path, database_url: str, sink: str, *, signed_by: str = "env:CRM_SECRET") -> Workspace:
    root.mkdir(exist_ok=True)
    (root / "churnfit.toml").write_text(
        f'database = "{database_url}"\n[cards]\nsmall = "small.toml"\n[sinks.crm]\nsecret = "{signed_by}"\n{sink}\n',
        encoding="utf-8",
    )
    return find_workspace(root)


def night(workspace: Workspace, day: int, *accounts: ScoredAccount) -> None:
    """Publish the run of that day."""
    with closing(workspace.store()) as store:
        publish(store, run_row(day), deciding(*accounts, day=day))


def told(crm: Receiver) -> list[tuple[str, str]]:
    """Return account and new status of each request, in the order they came."""
    return [(each.content["cta"]["account_id"], each.content["move"]["to_status"]) for each in crm.requests]


def test_every_move_by_runs_and_people_is_told_in_order_and_signed(team: Workspace, crm: Receiver) -> None:
    """A opens, is claimed, closed; B opens, recovers: five letters, each the CTA as it was then, each its own key."""
    night(team, 0, account("A", "red"), account("B", "red"))
    claim(team, "small", "A", by="ann")
    close(team, "small", "A", outcome="saved", by="ann", why="they stay")
    night(team, 40, account("A", "green"), account("B", "green"))
    assert deliver(team) == [Delivered(sink="crm", delivered=5)]
    assert told(crm) == [("A", "open"), ("B", "open"), ("A", "claimed"), ("A", "resolved"), ("B", "auto-resolved")]
    assert all(each.signed for each in crm.requests)
    assert len({each.key for each in crm.requests}) == 5
    assert all(each.key == each.content["key"] for each in crm.requests)
    opened, taken = crm.requests[0].content, crm.requests[2].content
    assert (opened["schema_version"], opened["cta"]["card"], opened["cta"]["claimed_by"]) == (1, "small", "")
    assert opened["cta"]["reasons"] == ["Logins: 2"]
    assert {name: taken["move"][name] for name in ("number", "by", "from_status")} == {
        "number": 2,
        "by": "ann",
        "from_status": "open",
    }
    assert deliver(team) == [Delivered(sink="crm")]
    assert len(crm.requests) == 5


def test_without_sinks_nothing_is_put_into_the_outbox(tmp_path: Path, database_url: str) -> None:
    """Who told nobody before has nothing to deliver later."""
    (tmp_path / "churnfit.toml").write_text(f'database = "{database_url}"\n[cards]\nsmall = "small.toml"\n')
    alone = find_workspace(tmp_path)
    night(alone, 0, account("A", "red"))
    claim(alone, "small", "A", by="ann")
    assert rows_of(database_url, "outbox") == {"outbox": []}
    assert deliver(alone) == []


def test_a_sink_hears_only_of_what_it_asks_for(
    tmp_path: Path, database_url: str, crm: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`events = ["claimed"]`: the opening and the closing are not told; the move's number says what was left out."""
    monkeypatch.setenv("CRM_SECRET", SECRET)
    some = made(tmp_path / "some", database_url, f'url = "{crm.url}"\nevents = ["claimed"]')
    night(some, 0, account("A", "red"))
    claim(some, "small", "A", by="ann")
    close(some, "small", "A", outcome="done", by="ann")
    assert deliver(some) == [Delivered(sink="crm", delivered=1)]
    assert [each.content["move"]["number"] for each in crm.requests] == [2]


def test_a_move_that_is_not_made_is_not_told(team: Workspace, database_url: str) -> None:
    """A dry run, a claim of what is claimed, a run that was published before: no letter."""
    night(team, 0, account("A", "red"))
    claim(team, "small", "A", by="ann")
    before = rows_of(database_url, "outbox")
    assert len(before["outbox"]) == 2
    claim(team, "small", "A", by="ann")
    night(team, 0, account("B", "red"))
    with closing(team.store()) as store:
        publish(store, run_row(1), deciding(account("B", "red"), day=1), dry_run=True)
    assert rows_of(database_url, "outbox") == before


def test_like_moves_within_one_second_have_keys_of_their_own(team: Workspace, crm: Receiver) -> None:
    """Claimed, given back, claimed: a receiver that knows the first claim must not take the second for it."""
    night(team, 0, account("A", "red"))
    claim(team, "small", "A", by="ann")
    reopen(team, "small", "A", by="ann")
    claim(team, "small", "A", by="ann")
    deliver(team)
    assert [status for _, status in told(crm)] == ["open", "claimed", "open", "claimed"]
    assert len({each.key for each in crm.requests}) == 4


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (answer(500), "HTTP 500"),
        (answer(503), "HTTP 503"),
        (answer(408), "HTTP 408"),
        (answer(425), "HTTP 425"),
        (answer(429), "HTTP 429"),
        (answer(302, Location="http://127.0.0.1:1/elsewhere"), "HTTP 302"),
        (hang_up, "ConnectionError"),
        (lambda handler: handler.wfile.write(b"no HTTP at all\r\n\r\n"), "ConnectionError"),
    ],
)
def test_what_may_pass_is_sent_again_under_the_same_key(
    team: Workspace, crm: Receiver, clock: Clock, reply: Callable[[BaseHTTPRequestHandler], None], said: str
) -> None:
    """Not before its time, then the same body and key with a newer signature; a redirect is not followed."""
    night(team, 0, account("A", "red"))
    crm.replies.append(reply)
    assert deliver(team, clock=clock) == [Delivered(sink="crm", later=1, waiting=1, last_fault=said)]
    assert deliver(team, clock=clock) == [Delivered(sink="crm", waiting=1)]
    clock.later(seconds=31)
    assert deliver(team, clock=clock) == [Delivered(sink="crm", delivered=1)]
    first, second = crm.requests
    assert (first.key, first.body) == (second.key, second.body)
    assert first.headers["X-Churnfit-Timestamp"] != second.headers["X-Churnfit-Timestamp"]
    assert first.signed
    assert second.signed


def test_a_receiver_that_hangs_is_given_up_after_the_timeout(team: Workspace, crm: Receiver, clock: Clock) -> None:
    """It took the request and says nothing: the letter comes again."""
    night(team, 0, account("A", "red"))
    settings = team.root / "churnfit.toml"
    settings.write_text(settings.read_text().replace("timeout_seconds = 30", "timeout_seconds = 0.5"))
    over = threading.Event()
    crm.replies.append(silence_until(over))
    hasty = find_workspace(team.root)
    assert deliver(hasty, clock=clock) == [Delivered(sink="crm", later=1, waiting=1, last_fault="ReadTimeout")]
    over.set()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 422])
def test_what_will_never_be_taken_is_dead_at_once(team: Workspace, crm: Receiver, clock: Clock, status: int) -> None:
    """It is not sent again by itself; retried, it is."""
    night(team, 0, account("A", "red"))
    crm.replies.append(answer(status))
    said = f"HTTP {status}"
    assert deliver(team, clock=clock) == [Delivered(sink="crm", dead=1, last_fault=said)]
    clock.later(days=30)
    assert deliver(team, clock=clock) == [Delivered(sink="crm")]
    [dead] = dead_letters(team)
    assert (dead.sink, dead.key, dead.attempts, dead.answer) == ("crm", crm.requests[0].key, 1, said)
    assert retry(team, clock=clock) == 1
    assert deliver(team, clock=clock) == [Delivered(sink="crm", delivered=1)]
    assert crm.requests[0].key == crm.requests[1].key
    assert dead_letters(team) == []


def test_pauses_double_until_the_attempts_are_used_up(team: Workspace, crm: Receiver, clock: Clock) -> None:
    """Three attempts: after the first within 30 seconds, after the second within 60, after the third never."""
    night(team, 0, account("A", "red"))
    crm.replies += [answer(500)] * 3
    deliver(team, clock=clock)
    clock.later(seconds=14)  # at least half of 30
    assert deliver(team, clock=clock)[0].later == 0
    clock.later(seconds=17)
    assert deliver(team, clock=clock)[0].later == 1
    clock.later(seconds=29)  # at least half of 60
    assert deliver(team, clock=clock)[0].dead == 0
    clock.later(seconds=32)
    assert deliver(team, clock=clock) == [Delivered(sink="crm", dead=1, last_fault="HTTP 500")]


def test_nothing_overtakes_an_earlier_move_of_its_cta(team: Workspace, crm: Receiver, clock: Clock) -> None:
    """A's opening fails: A's claim waits behind it while B's goes; dead, it holds up until it is dropped."""
    night(team, 0, account("A", "red"), account("B", "red"))
    claim(team, "small", "A", by="ann")
    claim(team, "small", "B", by="ann")
    crm.replies.append(answer(500))
    assert deliver(team, clock=clock) == [Delivered(sink="crm", delivered=2, later=1, waiting=2, last_fault="HTTP 500")]
    assert told(crm) == [("A", "open"), ("B", "open"), ("B", "claimed")]
    clock.later(seconds=31)
    crm.replies.append(answer(410))
    assert deliver(team, clock=clock) == [Delivered(sink="crm", dead=1, waiting=1, last_fault="HTTP 410")]
    [dead] = dead_letters(team)
    assert drop(team, dead.key) == 1
    assert deliver(team, clock=clock) == [Delivered(sink="crm", delivered=1)]
    assert told(crm)[-1] == ("A", "claimed")
    with pytest.raises(UsageError, match=r"CF702 the outbox: expected the key of a dead letter"):
        drop(team, dead.key)


def test_a_receiver_that_asks_to_wait_is_left_alone_so_long(team: Workspace, crm: Receiver, clock: Clock) -> None:
    """Retry-After: 600 with the first of three letters: no other is sent before the ten minutes are over."""
    night(team, 0, account("A", "red"), account("B", "red"), account("C", "red"))
    crm.replies.append(answer(429, Retry_After="600"))
    assert deliver(team, clock=clock) == [Delivered(sink="crm", later=1, waiting=3, last_fault="HTTP 429")]
    clock.later(seconds=599)
    assert deliver(team, clock=clock) == [Delivered(sink="crm", waiting=3)]
    clock.later(seconds=1)
    assert deliver(team, clock=clock) == [Delivered(sink="crm", delivered=3)]


@pytest.mark.parametrize("asked", ["-5", "soon", "9" * 400, "Wed, 99 Foo 2026 00:00:00 GMT", ""])
def test_a_retry_after_that_makes_no_sense_is_passed_over(
    team: Workspace, crm: Receiver, clock: Clock, asked: str
) -> None:
    """The usual pause applies, or a day where it asks for more: no answer can stop deliveries for ever."""
    night(team, 0, account("A", "red"))
    crm.replies.append(answer(503, Retry_After=asked))
    assert deliver(team, clock=clock)[0].later == 1
    clock.later(days=1, seconds=1)
    assert deliver(team, clock=clock)[0].delivered == 1


def test_a_sink_that_fails_five_times_on_end_is_left_until_the_next_run(
    team: Workspace, crm: Receiver, clock: Clock
) -> None:
    """Eight letters, a receiver that is down: five attempts, not eight, and the three others lose none of theirs."""
    night(team, 0, *(account(name, "red") for name in "ABCDEFGH"))
    crm.replies += [answer(500)] * 5
    assert deliver(team, clock=clock)[0] == Delivered(sink="crm", later=5, waiting=8, last_fault="HTTP 500")
    assert deliver(team, clock=clock)[0].delivered == 3
    assert len(crm.requests) == 8


def test_two_that_deliver_at_once_send_each_letter_once(team: Workspace, crm: Receiver) -> None:
    """Four deliverers, forty letters, forty requests, each CTA's in order."""
    names = [f"A{n:02}" for n in range(20)]
    night(team, 0, *(account(name, "red") for name in names))
    for name in names:
        claim(team, "small", name, by="ann")
    together = threading.Barrier(4)

    def delivering(_: int) -> int:
        together.wait(timeout=20)
        return sum(each.delivered for each in deliver(team))

    with ThreadPoolExecutor(4) as racing:
        counts = list(racing.map(delivering, range(4)))
    assert len(crm.requests) == len({each.key for each in crm.requests}) == 40
    assert sum(counts) == 40
    for name in names:
        assert [status for account_id, status in told(crm) if account_id == name] == ["open", "claimed"]


def test_killed_after_sending_it_is_sent_again_under_the_same_key(
    team: Workspace, crm: Receiver, clock: Clock, database_url: str
) -> None:
    """kill -9 when the receiver has the letter and before that is recorded: the lease ends, the letter comes again."""
    night(team, 0, account("A", "red"))
    program = "from churnfit.cli import run; run('deliver')"
    deliverer: list[int] = []

    def kill(_: BaseHTTPRequestHandler) -> None:
        started.wait(timeout=30)
        os.kill(deliverer[0], signal.SIGKILL)

    started = threading.Event()
    crm.replies.append(kill)
    process = subprocess.Popen([sys.executable, "-c", program], cwd=team.root, env=os.environ)
    deliverer.append(process.pid)
    started.set()
    assert process.wait(timeout=60) == -signal.SIGKILL
    assert deliver(team, clock=clock) == [Delivered(sink="crm", waiting=1)]  # still leased to the dead one
    clock.later(hours=1)
    assert deliver(team, clock=clock) == [Delivered(sink="crm", delivered=1)]
    first, second = crm.requests
    assert (first.key, first.body) == (second.key, second.body)


def test_who_comes_back_after_its_lease_changes_nothing(team: Workspace, clock: Clock, database_url: str) -> None:
    """Another has taken the letter meanwhile: what the late one says is not recorded."""
    night(team, 0, account("A", "red"))
    with closing(team.outbox()) as outbox:
        first = outbox.take("crm", now=clock(), lease=timedelta(seconds=60))
        assert first is not None
        assert outbox.take("crm", now=clock(), lease=timedelta(seconds=60)) is None
        clock.later(seconds=60)
        second = outbox.take("crm", now=clock(), lease=timedelta(seconds=60))
        assert second is not None
        assert (first.attempts, second.attempts) == (1, 2)
        before = rows_of(database_url, "outbox")
        outbox.bury(first, answer="HTTP 410")
        assert rows_of(database_url, "outbox") == before
        outbox.delivered(second, answer="HTTP 204")
        outbox.bury(second, answer="HTTP 410")
        assert outbox.dead() == []


def test_letters_to_a_sink_that_is_gone_wait_and_are_counted(team: Workspace, crm: Receiver, clock: Clock) -> None:
    """The section is taken out of churnfit.toml: nothing is sent, nothing lost."""
    night(team, 0, account("A", "red"))
    path = team.root / "churnfit.toml"
    path.write_text(path.read_text().split("[sinks.crm]")[0])
    assert deliver(find_workspace(team.root), clock=clock) == [Delivered(sink="crm", waiting=1)]
    assert crm.requests == []


def test_letters_are_forgotten_a_month_after_they_were_delivered(
    team: Workspace, crm: Receiver, clock: Clock, database_url: str
) -> None:
    """What waits or is dead stays however old it is; the moves stay in any case, and nothing is told twice."""
    night(team, 0, account("A", "red"), account("B", "red"))
    crm.replies += [answer(200), answer(400)]
    assert deliver(team, clock=clock)[0].dead == 1
    clock.later(days=29)
    deliver(team, clock=clock)
    assert len(rows_of(database_url, "outbox")["outbox"]) == 2
    clock.later(days=2)
    deliver(team, clock=clock)
    assert [letter.cta_id for letter in dead_letters(team)] == [
        row[3] for row in rows_of(database_url, "outbox")["outbox"]
    ]
    assert len(rows_of(database_url, "cta_events")["cta_events"]) == 2
    assert len(crm.requests) == 2


def test_nobody_need_know_the_secret_to_claim(team: Workspace, crm: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only who delivers reads it; without it nothing is sent and nothing counts as an attempt."""
    monkeypatch.delenv("CRM_SECRET")
    night(team, 0, account("A", "red"))
    claim(team, "small", "A", by="ann")
    with pytest.raises(SpecError, match=r"CF507 .*a secret in env:CRM_SECRET; came nothing there"):
        deliver(team)
    monkeypatch.setenv("CRM_SECRET", SECRET)
    assert deliver(team)[0].delivered == 2
    assert all(each.signed for each in crm.requests)


@pytest.mark.parametrize(
    ("sink", "message"),
    [
        ('url = "ftp://x.example/hook"', r"CF503 .*sinks.crm.url: an http:// or https:// address"),
        ('url = "file"', r"CF503 .*sinks.crm.url"),
        ('url = "https://"', r"CF503 .*sinks.crm.url"),
        ('url = "http://[::1"', r"CF503 .*sinks.crm.url"),
        ('url = "http://x.example:99999/"', r"CF503 .*sinks.crm.url"),
        ('url = "http://x.example"\nevents = []', r"CF503 .*sinks.crm.events"),
        ('url = "http://x.example"\nevents = ["opened"]', r"CF503 .*sinks.crm.events"),
        ('url = "http://x.example"\nevents = ["held out"]', r"CF503 .*held-out CTAs are nobody's to call"),
        ('url = "http://x.example"\nattempts = 0', r"CF503 .*sinks.crm.attempts"),
        ('url = "http://x.example"\ntimeout_seconds = 0', r"CF503 .*sinks.crm.timeout_seconds"),
        ('url = "http://x.example"\ntimeout = 3', r"CF503 .*unknown key 'timeout'; nearest .* 'timeout_seconds'"),
        ("", r"CF503 .*sinks.crm.url: Field required"),
        ('url = "http://x.example"\n[sinks."A b"]\nurl = "http://x"\nsecret = "env:X"', r"CF503 .*sinks.A b"),
    ],
)
def test_a_wrong_sink_is_said_when_the_workspace_is_opened(tmp_path: Path, sink: str, message: str) -> None:
    """Before a run could write letters that could never be sent."""
    with pytest.raises(SpecError, match=message):
        made(tmp_path, f"sqlite:///{tmp_path}/x.db", sink)


@pytest.mark.parametrize(
    ("secret", "url", "message"),
    [
        ("hunter2", "http://127.0.0.1:1", r"CF507 .*a secret as env:NAME or file:PATH; came text in the file itself"),
        ("env:NO_SUCH_NAME", "http://127.0.0.1:1", r"CF507 .*env:NO_SUCH_NAME"),
        ("file:nowhere.txt", "http://127.0.0.1:1", r"CF507 .*file:nowhere.txt"),
        ("env:CRM_SECRET", "env:CRM_SECRET", r"CF503 .*sinks.crm.url: expected an http:// or https:// address"),
    ],
)
def test_a_secret_is_never_in_the_file_and_never_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str, url: str, message: str
) -> None:
    """Neither what it is nor a part of it comes in a message."""
    monkeypatch.setenv("CRM_SECRET", SECRET)
    workspace = made(tmp_path, f"sqlite:///{tmp_path}/x.db", f'url = "{url}"', signed_by=secret)
    with pytest.raises(SpecError, match=message) as fault:
        deliver(workspace)
    assert SECRET not in str(fault.value)
    assert "hunter2" not in str(fault.value)
    assert SECRET not in repr(Webhook(url=url, secret=SECRET, timeout_seconds=1))


def test_the_command_says_counts_and_no_customers(team: Workspace, crm: Receiver, churnfit: Cli) -> None:
    """Exit 1 where something died; the list names sink, key and answer; retried and taken, exit 0."""
    night(team, 0, account("Ada & Sons", "red"))
    crm.replies.append(answer(410))
    ended = churnfit("deliver", "--json", cwd=team.root)
    assert ended.code == 1
    [sink] = json.loads(ended.out)["sinks"]
    assert (sink["sink"], sink["dead"], sink["last_fault"]) == ("crm", 1, "HTTP 410")
    listed = churnfit("deliver", "--dead", "--json", cwd=team.root)
    [dead] = json.loads(listed.out)["dead"]
    assert dead["key"] == crm.requests[0].key
    lines = churnfit("deliver", "--dead", cwd=team.root)
    assert dead["key"] in lines.out
    again = churnfit("deliver", "--retry", cwd=team.root)
    assert again.code == 0
    said = "".join((ended.out, ended.err, listed.out, lines.out, lines.err, again.out, again.err))
    assert "Ada" not in said
    assert crm.url not in said
    assert len(crm.requests) == 2


def test_a_letter_that_cannot_be_written_takes_the_move_back(team: Workspace, database_url: str) -> None:
    """The outbox refuses: the claim is not made either, nor its event."""
    night(team, 0, account("A", "red"))
    before = rows_of(database_url, "ctas", "cta_events", "outbox")
    refusing = {"done": False}

    def refuse(_c: object, _u: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO outbox"):
            refusing["done"] = True
            raise RuntimeError("no room")

    sa.event.listen(sa.engine.Engine, "before_cursor_execute", refuse)
    try:
        with pytest.raises(RuntimeError, match="no room"):
            claim(team, "small", "A", by="ann")
    finally:
        sa.event.remove(sa.engine.Engine, "before_cursor_execute", refuse)
    assert refusing["done"]
    assert rows_of(database_url, "ctas", "cta_events", "outbox") == before


def test_held_out_accounts_are_told_to_nobody(team: Workspace, database_url: str, crm: Receiver) -> None:
    """Left uncalled on purpose: a CRM that heard of them would have them called."""
    spec = spec_of()
    spec = spec.model_copy(update={"queue": spec.queue.model_copy(update={"holdout": 1.0})})
    with closing(team.store()) as store:
        done = publish(
            store,
            run_row(),
            lambda standing: decide([account("A", "red")], standing, spec, as_of=MONDAY, version="version-1"),
        )
    assert done is not None
    assert done.held_out == 1
    assert rows_of(database_url, "outbox") == {"outbox": []}
