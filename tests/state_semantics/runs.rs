//! What every state promises of runs: compiled into the tests of each database.

use super::semantics::{MINUTE, NO_LIMIT, START, TestClock, claim, keep, object, parcel, scope, sent};
use super::{Backend, fresh};
use funchost::state::runs::{
    Detail, End, Filter, HourRuns, LogLine, NewRun, Node, OpenRun, Origin, Ours, Status, Taken, TriggerRow,
};
use funchost::state::{Claimed, Commit, Outcome, Runs, State, StateError, Store, Time};
use funchost_collectors::clock::SECOND;
use std::collections::BTreeMap;

const LEASE: i64 = 30 * SECOND;

async fn state() -> Backend {
    fresh(TestClock::at(START)).await
}

fn run(func: &str) -> NewRun {
    NewRun {
        func: func.into(),
        origin: Origin::Async,
        trigger: None,
        tick: None,
        delay: 0,
        ticks: 1,
        kwargs: "{}".into(),
        status: Status::Queued,
        reason: None,
        created: START,
        due: START,
        expires: START + 15 * MINUTE,
        timeout: None,
    }
}

fn ticked(trigger: &str, tick: Time) -> NewRun {
    NewRun {
        origin: Origin::Cron,
        trigger: Some(trigger.into()),
        tick: Some(tick),
        due: tick,
        expires: tick + 15 * MINUTE,
        ..run("a__b.c")
    }
}

fn trigger(id: &str) -> TriggerRow {
    TriggerRow {
        id: id.into(),
        func: "a__b.c".into(),
        cron: "* * * * *".into(),
        zone: "UTC".into(),
        definition: "{\"enabled\":true}".into(),
        upto: START,
        since: START,
        paused: false,
        seen: START,
    }
}

async fn take(state: &Backend, run: i64, now: Time) -> Taken {
    state.take(run, "worker", now, now + LEASE, 3).await.unwrap()
}

async fn ours(state: &Backend, run: i64, now: Time) -> Ours {
    match take(state, run, now).await {
        Taken::Yes(ours) => *ours,
        other => panic!("{other:?}"),
    }
}

fn end(status: Status) -> End {
    End { status, reason: None, detail: Detail::default(), points: Some(1), calls: Some(2) }
}

fn line(number: i64) -> LogLine {
    LogLine {
        number,
        time: START,
        since_last: 1,
        since_start: 2,
        kind: "print".into(),
        text: format!("line\0{number}"),
    }
}

async fn status(state: &Backend, run: i64) -> (Status, Option<String>) {
    let (record, _) = state.run(run).await.unwrap().unwrap();
    (record.status, record.reason)
}

#[tokio::test]
async fn arguments_are_the_workers_alone() {
    const GIVEN: &str = "{\"password\":\"hunter22\",\"region\":\"r\"}";
    const SHOWN: &str = "{\"password\":\"****\",\"region\":\"r\"}";
    let state = state().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(state.enqueue(&run_with(GIVEN)).await.unwrap());
    }
    let [finished, told, stopped, given_back, expired] = ids[..] else { unreachable!() };
    let shown = async |id: i64| state.run(id).await.unwrap().unwrap().1.kwargs;
    for id in &ids {
        assert_eq!(shown(*id).await, SHOWN, "while it waits");
    }
    let end = |kwargs: &str| End {
        status: Status::Success,
        reason: None,
        detail: Detail { kwargs: kwargs.into(), ..Detail::default() },
        points: None,
        calls: None,
    };
    assert_eq!(ours(&state, finished, START).await.kwargs, GIVEN);
    assert_eq!(shown(finished).await, SHOWN, "while somebody works on it");
    assert!(state.finish(finished, 1, &end(""), START).await.unwrap());
    assert_eq!(shown(finished).await, SHOWN);
    // The worker may know of more.
    assert_eq!(ours(&state, told, START).await.kwargs, GIVEN);
    assert!(state.finish(told, 1, &end("{\"region\":\"****\"}"), START).await.unwrap());
    assert_eq!(shown(told).await, "{\"region\":\"****\"}");
    assert!(state.stop(stopped, START).await.unwrap());
    assert_eq!(shown(stopped).await, SHOWN);
    // Whoever takes it next needs them, too.
    assert_eq!(ours(&state, given_back, START).await.kwargs, GIVEN);
    assert!(state.hand_over(given_back, 1, "why", START).await.unwrap());
    assert_eq!(ours(&state, given_back, START).await.kwargs, GIVEN);
    assert_eq!(state.expire(START + 60 * MINUTE).await.unwrap(), 1);
    assert_eq!(shown(expired).await, SHOWN);
    assert!(!format!("{:?}", run_with(GIVEN)).contains("hunter22"));
}

pub(crate) fn run_with(kwargs: &str) -> NewRun {
    NewRun { kwargs: kwargs.into(), ..run("a__b.c") }
}

#[tokio::test]
async fn a_run_goes_from_the_queue_to_its_record() {
    let state = state().await;
    let id =
        state.enqueue(&NewRun { kwargs: "{\"a\":1}".into(), due: START + 5, ..run("a__b.c") }).await.unwrap();
    assert_eq!(state.next_due().await.unwrap(), Some(START + 5));
    assert!(state.open_runs(START + 4, None, 10).await.unwrap().is_empty());
    assert_eq!(take(&state, id, START + 4).await, Taken::Gone, "not before its time");
    let open = OpenRun { id, func: "a__b.c".to_owned(), due: START + 5 };
    assert_eq!(state.open_runs(START + 5, None, 10).await.unwrap(), [open]);
    let taken = ours(&state, id, START + 5).await;
    assert_eq!((taken.record.fence, taken.kwargs.as_str(), &taken.from), (1, "{\"a\":1}", &None));
    assert_eq!(take(&state, id, START + 6).await, Taken::Gone, "it is taken");
    assert!(state.log(id, 1, &[line(1), line(2)]).await.unwrap());
    assert!(state.log(id, 1, &[line(2), line(3)]).await.unwrap(), "a line that is kept already is kept once");
    let many: Vec<_> = (4..=450).map(line).collect();
    assert!(state.log(id, 1, &many).await.unwrap(), "more than one statement takes");
    assert_eq!(state.hold(&[(id, 1)], START + 99).await.unwrap(), [(id, false)]);
    let detail = Detail {
        kwargs: String::new(),
        result: Some("7".into()),
        report: Some("{}".into()),
        error: None,
        samples: Some("[]".into()),
    };
    let end = End {
        status: Status::Success,
        reason: Some("why".into()),
        detail: detail.clone(),
        points: Some(3),
        calls: Some(4),
    };
    assert!(state.finish(id, 1, &end, START + 20).await.unwrap());
    assert!(!state.finish(id, 1, &end, START + 21).await.unwrap(), "it ends once");
    let (record, found) = state.run(id).await.unwrap().unwrap();
    assert_eq!(
        (record.status, record.started, record.ended),
        (Status::Success, Some(START + 5), Some(START + 20))
    );
    assert_eq!((record.points, record.calls, record.reason.as_deref()), (Some(3), Some(4), Some("why")));
    assert_eq!(found, Detail { kwargs: "{\"a\":1}".into(), ..detail });
    let lines = state.lines(id, 1, 1000).await.unwrap();
    assert_eq!(lines.iter().map(|line| line.number).collect::<Vec<_>>(), (2..=450).collect::<Vec<_>>());
    assert_eq!(lines[0].text, "line\u{fffd}2");
    assert!(state.run(id + 1).await.unwrap().is_none());
}

#[tokio::test]
async fn who_lost_a_run_can_commit_nothing_of_it() {
    let state = state().await;
    let id = state.enqueue(&run("a__b.c")).await.unwrap();
    ours(&state, id, START).await;
    let late = state.fenced(id, 1);
    let Claimed::Yes(number) = late.claim(&[claim("key", START)]).await.unwrap()[0] else { panic!() };
    assert_eq!(take(&state, id, START + LEASE).await, Taken::Gone, "the lease holds to its last moment");
    let taken = ours(&state, id, START + LEASE + 1).await;
    assert_eq!((taken.record.fence, taken.from.as_deref()), (2, Some("worker")));

    let lost = |result: Result<(), StateError>| match result {
        Err(StateError::Lost(run)) => assert_eq!(run, id),
        other => panic!("{other:?}"),
    };
    let commit =
        Commit { sent: vec![("mark".into(), vec![sent(START, 1, 1)])], ..keep(vec![parcel("dk", 1, b"x")]) };
    lost(late.commit(commit.clone(), NO_LIMIT).await.map(drop));
    lost(late.claim(&[claim("other", START)]).await.map(drop));
    lost(late.renew(&[("key".into(), number)], START + 99).await);
    lost(late.release("key", number, Outcome::Collected).await.map(drop));
    lost(late.keep_objects(&scope("r"), &[object("i", &[])], START).await);
    lost(late.forget_objects(&scope("r"), &[]).await.map(drop));
    lost(late.remember("k", b"v", START + 99).await);
    assert!(!state.log(id, 1, &[line(1)]).await.unwrap());
    assert!(!state.finish(id, 1, &end(Status::Success), START).await.unwrap());
    assert!(!state.hand_over(id, 1, "r", START).await.unwrap());
    assert_eq!(state.hold(&[(id, 1), (id, 2)], START + 999).await.unwrap(), [(id, false)]);
    // What was called was called.
    let calls = BTreeMap::from([("ec2:DescribeInstances".to_owned(), 2)]);
    late.count_calls("2026-11-22", "aws:AK", &calls).await.unwrap();

    assert_eq!(state.due("key").await.unwrap(), None);
    assert!(state.marks(&["mark".into()]).await.unwrap()[0].sent.is_empty());
    assert!(
        state.outbox_sizes().await.unwrap().is_empty() && state.object_summaries().await.unwrap().is_empty()
    );
    assert_eq!(state.calls_between("2026-11-22", "2026-11-22").await.unwrap()[0].count, 2);

    let now = state.fenced(id, 2);
    now.commit(commit, NO_LIMIT).await.unwrap();
    assert!(state.finish(id, 2, &end(Status::Success), START + 1).await.unwrap());
    lost(now.commit(Commit::default(), NO_LIMIT).await.map(drop));
}

#[tokio::test]
async fn of_a_trigger_one_run_goes_on_at_a_time() {
    let state = state().await;
    state.announce(&[trigger("t"), trigger("u")], START).await.unwrap();
    let runs = [ticked("t", START + 1), ticked("t", START + 2), ticked("u", START + 1)];
    assert!(state.advance("t", START, START + 2, &runs).await.unwrap());
    assert!(!state.advance("t", START, START + 2, &runs).await.unwrap(), "another has done it");
    assert!(state.advance("t", START + 2, START + 2, &runs).await.unwrap(), "each tick has its run already");
    let (all, count) = state.runs(&Filter::default(), 0, 10).await.unwrap();
    assert_eq!(count, 3);
    let ids: Vec<i64> = all.iter().rev().map(|record| record.id).collect();
    ours(&state, ids[0], START + 3).await;
    assert_eq!(take(&state, ids[1], START + 3).await, Taken::Ended(Status::Skip));
    let reason = format!("run {} of the same trigger had not finished", ids[0]);
    assert_eq!(status(&state, ids[1]).await, (Status::Skip, Some(reason)));
    ours(&state, ids[2], START + 3).await;
    // By hand beside it: that is another matter.
    let by_hand = NewRun { origin: Origin::Manual, trigger: Some("t".into()), ..run("a__b.c") };
    let by_hand = state.enqueue(&by_hand).await.unwrap();
    ours(&state, by_hand, START + 3).await;
    assert_eq!(state.last_by_trigger().await.unwrap().len(), 1);
    assert_eq!(state.last_by_trigger().await.unwrap()[0].id, ids[1], "there is no other yet");
    assert!(state.finish(ids[0], 1, &end(Status::Success), START + 9).await.unwrap());
    // How the run before it ended is what counts, and is not hidden by the tick that was skipped.
    let last: Vec<i64> = state.last_by_trigger().await.unwrap().iter().map(|one| one.id).collect();
    assert_eq!(last, [ids[0]]);
    let last: Vec<i64> = state.last_by_func().await.unwrap().iter().map(|one| one.id).collect();
    assert_eq!(last, [ids[0]]);
    assert_eq!(state.cadence(START).await.unwrap(), [("t".to_owned(), START + 1, START + 1, 1)]);
}

#[tokio::test]
async fn a_tick_is_one_however_many_runs_its_delays_make_of_it() {
    let state = state().await;
    state.announce(&[trigger("t")], START).await.unwrap();
    let ticks = [START + MINUTE, START + 2 * MINUTE, START + 3 * MINUTE];
    let delayed = |tick: Time, delay: i64| NewRun { delay, due: tick + delay, ..ticked("t", tick) };
    let runs: Vec<NewRun> =
        ticks.iter().flat_map(|tick| [0, 20 * SECOND].map(|delay| delayed(*tick, delay))).collect();
    assert!(state.advance("t", START, ticks[2], &runs).await.unwrap());
    let (all, count) = state.runs(&Filter::default(), 0, 10).await.unwrap();
    assert_eq!(count, 6);
    for record in all.iter().rev() {
        ours(&state, record.id, record.due).await;
        assert!(state.finish(record.id, 1, &end(Status::Success), record.due + SECOND).await.unwrap());
    }
    assert_eq!(state.cadence(START).await.unwrap(), [("t".to_owned(), ticks[0], ticks[2], 3)]);
}

#[tokio::test]
async fn how_long_a_run_waited_is_counted_to_its_first_start() {
    let state = state().await;
    let id = state.enqueue(&run("a__b.c")).await.unwrap();
    assert_eq!(ours(&state, id, START + 5).await.record.started, Some(START + 5));
    // Whoever had it goes silent; the next one is stopped, and gives it back.
    let taken = ours(&state, id, START + 5 + LEASE + 1).await.record;
    assert_eq!((taken.started, taken.fence), (Some(START + 5), 2));
    assert!(state.hand_over(id, 2, "given back", START + MINUTE).await.unwrap());
    let taken = ours(&state, id, START + 2 * MINUTE).await.record;
    assert_eq!((taken.started, taken.fence), (Some(START + 5), 3));
    assert!(state.finish(id, 3, &end(Status::Success), START + 3 * MINUTE).await.unwrap());
    let record = state.run(id).await.unwrap().unwrap().0;
    assert_eq!((record.started, record.ended), (Some(START + 5), Some(START + 3 * MINUTE)));
}

#[tokio::test]
async fn overlapping_ticks_are_skipped_although_nobody_has_room_for_them() {
    let state = state().await;
    state.announce(&[trigger("t"), trigger("u")], START).await.unwrap();
    let secret = NewRun { kwargs: "{\"password\":\"hunter22\"}".into(), ..ticked("t", START + 2) };
    let runs = [
        ticked("t", START + 1),
        secret,
        ticked("t", START + 9),
        ticked("u", START + 1),
        ticked("u", START + 2),
    ];
    assert!(state.advance("t", START, START + 9, &runs).await.unwrap());
    let by_hand = NewRun { origin: Origin::Manual, trigger: Some("t".into()), ..run("a__b.c") };
    let by_hand = state.enqueue(&by_hand).await.unwrap();
    let (all, _) =
        state.runs(&Filter { origin: Some(Origin::Cron), ..Filter::default() }, 0, 10).await.unwrap();
    let ids: Vec<i64> = all.iter().rev().map(|record| record.id).collect();
    assert_eq!(state.skip(START + 3).await.unwrap(), 0, "nothing goes on");
    ours(&state, ids[0], START + 3).await;
    ours(&state, by_hand, START + 3).await;
    assert_eq!(state.skip(START + 3).await.unwrap(), 1);
    let reason = format!("run {} of the same trigger had not finished", ids[0]);
    assert_eq!(status(&state, ids[1]).await, (Status::Skip, Some(reason)));
    assert_eq!(state.run(ids[1]).await.unwrap().unwrap().1.kwargs, "{\"password\":\"****\"}");
    for waiting in [ids[2], ids[3], ids[4]] {
        assert_eq!(status(&state, waiting).await.0, Status::Queued, "not due yet, or of another trigger");
    }
    assert!(state.finish(ids[0], 1, &end(Status::Success), START + 9).await.unwrap());
    assert_eq!(state.skip(START + 10).await.unwrap(), 0, "a run by hand is in nobody's way");
    ours(&state, ids[2], START + 10).await;
}

#[tokio::test]
async fn the_last_tick_that_ended_well_is_known_however_old_it_is() {
    let state = state().await;
    state.announce(&[trigger("never"), trigger("t")], START).await.unwrap();
    let ticks: Vec<NewRun> = (0..5).map(|number| ticked("t", START + number * MINUTE)).collect();
    assert!(state.advance("t", START, START + 4 * MINUTE, &ticks).await.unwrap());
    let (all, _) = state.runs(&Filter::default(), 0, 10).await.unwrap();
    for (record, status) in
        all.iter().rev().zip([Status::Success, Status::Success, Status::Failure, Status::Timeout])
    {
        ours(&state, record.id, START + 5 * MINUTE).await;
        assert!(state.finish(record.id, 1, &end(status), START + 5 * MINUTE).await.unwrap());
    }
    assert!(state.cadence(START + MINUTE).await.unwrap().is_empty());
    assert_eq!(state.last_good().await.unwrap(), [("t".to_owned(), START + MINUTE)]);
}

#[tokio::test]
async fn ticks_count_from_when_a_trigger_was_new_changed_switched_on_or_let_go_on() {
    let state = state().await;
    let since = async || state.triggers().await.unwrap()[0].since;
    let mut row = trigger("t");
    state.announce(std::slice::from_ref(&row), START).await.unwrap();
    state.announce(std::slice::from_ref(&row), START + 1).await.unwrap();
    assert_eq!(since().await, START, "said again, it is no other");
    row.cron = "*/5 * * * *".into();
    state.announce(std::slice::from_ref(&row), START + 2).await.unwrap();
    assert_eq!(since().await, START + 2);
    assert!(state.pause("t", true, START + 3).await.unwrap());
    assert!(state.pause("t", false, START + 4).await.unwrap());
    assert_eq!(since().await, START + 4);
    row.definition = "{\"switched\":\"off\"}".into();
    state.announce(std::slice::from_ref(&row), START + 5).await.unwrap();
    row.definition = "{\"switched\":\"on\"}".into();
    state.announce(std::slice::from_ref(&row), START + 6).await.unwrap();
    state.announce(std::slice::from_ref(&row), START + 7).await.unwrap();
    assert_eq!(since().await, START + 6);
}

#[tokio::test]
async fn what_cannot_run_ends_and_says_why() {
    let state = state().await;
    let late = state.enqueue(&run("a__b.c")).await.unwrap();
    let waits = state.enqueue(&run("a__b.c")).await.unwrap();
    let stopped = state.enqueue(&run("a__b.c")).await.unwrap();
    let after = START + 16 * MINUTE;
    assert_eq!(take(&state, late, after).await, Taken::Ended(Status::Expired));
    assert!(state.stop(stopped, START).await.unwrap());
    assert_eq!(status(&state, stopped).await.0, Status::Interrupted);
    assert!(!state.stop(stopped, START).await.unwrap());
    assert_eq!(state.expire(after).await.unwrap(), 1);
    assert_eq!(status(&state, waits).await, (Status::Expired, Some("no worker took it in time".into())));

    let cursed = state.enqueue(&run("a__b.c")).await.unwrap();
    let mut now = START;
    for fence in 1..=3 {
        assert_eq!(ours(&state, cursed, now).await.record.fence, fence);
        now += LEASE + 1;
    }
    assert_eq!(take(&state, cursed, now).await, Taken::Ended(Status::Interrupted));

    let given = state.enqueue(&run("a__b.c")).await.unwrap();
    ours(&state, given, START).await;
    assert!(state.stop(given, START).await.unwrap());
    assert_eq!(state.hold(&[(given, 1)], START).await.unwrap(), [(given, true)], "asked to stop");
    let back = state.enqueue(&run("a__b.c")).await.unwrap();
    ours(&state, back, START).await;
    assert!(state.hand_over(back, 1, "the service ended", after).await.unwrap());
    assert_eq!(status(&state, back).await, (Status::Queued, Some("the service ended".into())));
    assert_eq!(ours(&state, back, after + 14 * MINUTE).await.record.fence, 2);
}

#[tokio::test]
async fn a_run_that_went_silent_and_that_nobody_takes_over_ends() {
    let state = state().await;
    let secret = NewRun { kwargs: "{\"password\":\"hunter22\"}".into(), ..run("a__b.c") };
    let long = NewRun { expires: START + 60 * MINUTE, ..run("a__b.c") };
    let mut ids = Vec::new();
    for one in [&secret, &long, &run("a__b.c"), &run("a__b.c"), &run("a__b.c")] {
        let id = state.enqueue(one).await.unwrap();
        ours(&state, id, START).await;
        ids.push(id);
    }
    let [silent, may_wait, held, asked, stopped] = ids[..] else { unreachable!() };
    // One that is held ends by whoever holds it, at whatever time.
    assert_eq!(state.hold(&[(held, 1)], START + 500 * MINUTE).await.unwrap(), [(held, false)]);
    // Asked while its worker may live: the worker ends it, or the end of the lease does.
    assert!(state.stop(asked, START + LEASE).await.unwrap());
    assert_eq!(state.expire(START + LEASE).await.unwrap(), 0);
    assert_eq!(status(&state, asked).await, (Status::Running, None));
    assert_eq!(state.expire(START + LEASE + 1).await.unwrap(), 1);
    let by_hand = (Status::Interrupted, Some("stopped by hand".to_owned()));
    assert_eq!(status(&state, asked).await, by_hand);
    // Asked when nobody can hear it any more.
    assert!(state.stop(stopped, START + LEASE + 1).await.unwrap());
    assert_eq!(status(&state, stopped).await, by_hand);
    assert!(!state.stop(stopped, START + LEASE + 2).await.unwrap());

    // It has expired, but nobody was there who could have taken it over: not heard lately, or not there for long enough.
    let late = START + LEASE + 16 * MINUTE;
    assert_eq!(state.expire(late).await.unwrap(), 0);
    let node = |id: &str, started: Time, seen: Time| Node {
        id: id.into(),
        roles: "scheduler,worker".into(),
        started,
        seen,
    };
    state.here(&node("gone", START, late - 2 * MINUTE)).await.unwrap();
    state.here(&node("new", late - 14 * MINUTE, late)).await.unwrap();
    // Who only fires and answers could have taken nothing over, however long it is there.
    let web = Node { roles: "scheduler,web".into(), ..node("web", START, late) };
    state.here(&web).await.unwrap();
    assert_eq!(state.expire(late).await.unwrap(), 0);
    let open: Vec<i64> = state.open_runs(late, None, 10).await.unwrap().iter().map(|one| one.id).collect();
    assert_eq!(open, [silent, may_wait], "whoever has the function may still take them");
    let later = late + 2 * MINUTE;
    state.here(&node("new", late - 14 * MINUTE, later)).await.unwrap();
    assert_eq!(state.expire(later).await.unwrap(), 1);
    let why = "whoever ran it went silent, and no worker took it over in time: see that a worker is up that has `a__b.c`, \
               and start it again";
    assert_eq!(status(&state, silent).await, (Status::Interrupted, Some(why.into())));
    let (record, detail) = state.run(silent).await.unwrap().unwrap();
    assert_eq!(
        (record.ended, record.lease, detail.kwargs.as_str()),
        (Some(later), None, "{\"password\":\"****\"}")
    );
    assert!(
        !state.finish(silent, 1, &end(Status::Success), later).await.unwrap(),
        "who had it has it no more"
    );
    assert_eq!(status(&state, held).await.0, Status::Running);
    assert_eq!(ours(&state, may_wait, later).await.record.fence, 2);
    // Taken over long after it expired, it has again a quarter of an hour from when it went silent.
    let end = START + 100 * MINUTE;
    assert_eq!(state.hold(&[(may_wait, 2)], end).await.unwrap(), [(may_wait, false)]);
    state.here(&node("new", late, end + 15 * MINUTE)).await.unwrap();
    assert_eq!(state.expire(end + 15 * MINUTE).await.unwrap(), 0);
    assert_eq!(state.expire(end + 15 * MINUTE + 1).await.unwrap(), 1);
    assert_eq!(status(&state, may_wait).await.0, Status::Interrupted);
}

#[tokio::test]
async fn open_runs_are_read_one_part_behind_the_other() {
    let state = state().await;
    let mut all = Vec::new();
    // Many are due at the same time, and who was asked for first is not due first.
    for number in 0..10 {
        let due = START + 3 - number / 3;
        all.push((due, state.enqueue(&NewRun { due, ..run("a__b.c") }).await.unwrap()));
    }
    all.sort_unstable();
    let (mut read, mut behind) = (Vec::new(), None);
    loop {
        let part = state.open_runs(START + 3, behind, 3).await.unwrap();
        behind = part.last().map(|last| (last.due, last.id));
        if part.is_empty() {
            break;
        }
        assert!(part.len() <= 3);
        read.extend(part.iter().map(|one| (one.due, one.id)));
    }
    assert_eq!(read, all);
}

#[tokio::test]
async fn runs_are_listed_counted_and_forgotten() {
    let state = state().await;
    for number in 0..30 {
        let func = if number % 3 == 0 { "a__b.c" } else { "a__b.d" };
        let status = if number % 2 == 0 { Status::Missed } else { Status::Queued };
        state.enqueue(&NewRun { status, created: START + number, ..run(func) }).await.unwrap();
    }
    let filter = Filter { func: Some("a__b.d".into()), status: Some(Status::Missed), ..Filter::default() };
    let (page, total) = state.runs(&filter, 2, 3).await.unwrap();
    assert_eq!((page.len(), total), (3, 10));
    assert!(page.windows(2).all(|pair| pair[0].id > pair[1].id));
    let filter = Filter {
        since: Some(START + 10),
        until: Some(START + 20),
        origin: Some(Origin::Async),
        ..Filter::default()
    };
    assert_eq!(state.runs(&filter, 0, 100).await.unwrap().1, 10);
    let counts = state.counts().await.unwrap();
    assert_eq!((counts[&Status::Missed], counts[&Status::Queued]), (15, 15));
    assert_eq!(state.last_by_func().await.unwrap().len(), 2);
    // Five of one function and ten of the other have ended; two of each stay, and none of before.
    assert_eq!(state.forget_runs(2, START).await.unwrap(), 11);
    assert_eq!(state.counts().await.unwrap()[&Status::Queued], 15, "what waits is not forgotten");
    assert_eq!(state.forget_runs(100, START + 28).await.unwrap(), 3);
}

#[tokio::test]
async fn runs_are_counted_by_the_hour() {
    let state = state().await;
    let hour = 60 * MINUTE;
    let before = state.enqueue(&NewRun { created: START - 1, ..run("a__b.c") }).await.unwrap();
    ours(&state, before, START).await;
    for (at, status) in [
        (START, Status::Success),
        (START + hour - 1, Status::Success),
        (START + hour - 1, Status::Failure),
        (START + hour, Status::Success),
    ] {
        let id = state.enqueue(&NewRun { created: at, ..run("a__b.c") }).await.unwrap();
        let fence = ours(&state, id, START + 1).await.record.fence;
        assert!(state.finish(id, fence, &end(status), at + 1).await.unwrap());
    }
    state.enqueue(&NewRun { created: START + hour, ..run("a__b.c") }).await.unwrap();
    let counted = |hour, status, count, points| HourRuns { hour, status, count, points };
    assert_eq!(
        state.by_hour(START).await.unwrap(),
        [
            counted(START, Status::Failure, 1, 1),
            counted(START, Status::Success, 2, 2),
            counted(START + hour, Status::Queued, 1, 0),
            counted(START + hour, Status::Success, 1, 1),
        ]
    );
    assert_eq!(state.by_hour(START - 1).await.unwrap()[0], counted(START - hour, Status::Running, 1, 0));
}

/// Collations differ: one has `a` before `B`, another passes by what is no letter. What is listed is in the order of the bytes over every database,
/// and nothing is left out where the names of all that is there are found one after the other.
#[tokio::test]
async fn what_is_listed_is_in_one_order_whatever_the_collation() {
    const NAMES: [&str; 9] = ["B", "Z", "a", "a-c", "ab", "a_d", "b", "\u{e9}", "\u{4e2d}"];
    let state = state().await;
    let mut names = NAMES;
    names.sort_unstable();
    // Put in another order.
    for name in NAMES.into_iter().rev() {
        state.announce(&[trigger(name)], START).await.unwrap();
        let one = NewRun { func: format!("{name}__b.c"), ..ticked(name, START) };
        state.record(&one, START, &end(Status::Success), START).await.unwrap();
        let node = Node { id: name.into(), roles: "worker".into(), started: START, seen: START };
        state.here(&node).await.unwrap();
        state.keep_objects(&scope(name), &[object(name, &[])], START).await.unwrap();
        state.keep_objects(&scope("one"), &[object(name, &[])], START).await.unwrap();
        state.commit(keep(vec![parcel(name, 1, b"x")]), NO_LIMIT).await.unwrap();
        state.count_calls("2026-11-22", name, &[("s:A".to_owned(), 1)].into()).await.unwrap();
        state.remember(name, b"v", START + MINUTE).await.unwrap();
    }
    let funcs: Vec<String> =
        state.last_by_func().await.unwrap().into_iter().map(|record| record.func).collect();
    let mut named: Vec<String> = names.iter().map(|name| format!("{name}__b.c")).collect();
    named.sort_unstable();
    assert_eq!(funcs, named);
    let of = |list: Vec<String>| assert_eq!(list, names);
    of(state.last_by_trigger().await.unwrap().into_iter().filter_map(|record| record.trigger).collect());
    of(state.last_good().await.unwrap().into_iter().map(|(id, _)| id).collect());
    of(state.triggers().await.unwrap().into_iter().map(|row| row.id).collect());
    of(state.nodes(START).await.unwrap().into_iter().map(|node| node.id).collect());
    of(state.outbox_sizes().await.unwrap().into_iter().map(|(id, ..)| id).collect());
    of(state
        .calls_between("2026-11-01", "2026-11-30")
        .await
        .unwrap()
        .into_iter()
        .map(|calls| calls.account)
        .collect());
    of(state.keys("", START).await.unwrap());
    let mut regions = names.to_vec();
    regions.push("one");
    regions.sort_unstable();
    let summaries = state.object_summaries().await.unwrap();
    assert_eq!(summaries.iter().map(|one| one.region.as_str()).collect::<Vec<_>>(), regions);
    let objects = state.objects("aws:AK", "aws_ec2", None).await.unwrap();
    let mut expected: Vec<(&str, &str)> =
        names.iter().flat_map(|name| [(*name, *name), ("one", *name)]).collect();
    expected.sort_unstable();
    let found: Vec<(&str, &str)> =
        objects.iter().map(|(region, object)| (region.as_str(), object.name.as_str())).collect();
    assert_eq!(found, expected);
    // From the first day to the last, both included.
    assert_eq!(state.calls_between("2026-11-22", "2026-11-22").await.unwrap().len(), 9);
    assert_eq!(state.calls_between("2026-11-23", "2026-12-31").await.unwrap().len(), 0);
}
