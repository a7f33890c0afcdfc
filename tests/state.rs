//! The state from the outside: one process, two handles on one folder, two processes, and processes that are killed.

#![expect(clippy::unwrap_used, reason = "clippy knows tests, but not their helpers")]

use funchost::state::{
    Claim, Claimed, Commit, Evicted, FILE_NAME, Mark, Object, ObjectScope, Outcome, Parcel, Sent, Sqlite,
    State, StateError, Time,
};
use funchost_collectors::clock::{Clock, SECOND};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

const MINUTE: i64 = 60 * SECOND;
/// 2026-11-22T00:00:00Z.
const START: Time = 1_795_305_600 * SECOND;
/// Says to a test that it is the child of another, and which folder it works in.
const CHILD: &str = "FUNCHOST_TEST_STATE_CHILD";
const NO_LIMIT: u64 = u64::MAX;

#[derive(Debug)]
struct TestClock(AtomicI64);

impl TestClock {
    fn at(time: Time) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(time)))
    }

    fn set(&self, time: Time) {
        self.0.store(time, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

async fn memory() -> Sqlite {
    Sqlite::in_memory(TestClock::at(START)).await.unwrap()
}

async fn open(folder: &Path) -> Sqlite {
    Sqlite::open(folder, TestClock::at(START)).await.unwrap()
}

fn claim(key: &str, run_started: Time) -> Claim {
    Claim {
        key: key.into(),
        run_started,
        interval: 15 * MINUTE,
        slack: 10 * SECOND,
        expires: run_started + 5 * MINUTE,
        force: false,
    }
}

async fn claim_one(state: &Sqlite, claim: Claim) -> Claimed {
    let answers = state.claim(&[claim]).await.unwrap();
    assert_eq!(answers.len(), 1);
    answers[0]
}

fn number(claimed: Claimed) -> i64 {
    match claimed {
        Claimed::Yes(number) => number,
        other => panic!("not claimed: {other:?}"),
    }
}

fn sent(time: Time, identity: u64, fields: u64) -> Sent {
    Sent { time, identity, fields }
}

fn parcel(datakit: &str, points: u64, body: &[u8]) -> Parcel {
    Parcel {
        id: 0,
        datakit: datakit.into(),
        category: "metric".into(),
        created: START,
        oldest: START - MINUTE,
        points,
        body: body.to_vec(),
    }
}

fn keep(kept: Vec<Parcel>) -> Commit {
    Commit { kept, ..Commit::default() }
}

// ---- claims ----

#[tokio::test]
async fn a_collected_key_is_due_an_interval_after_the_start_of_its_run() {
    let clock = TestClock::at(START);
    let state = Sqlite::in_memory(clock.clone()).await.unwrap();
    assert_eq!(state.due("key").await.unwrap(), None);

    clock.set(START + 40 * SECOND);
    let first = number(claim_one(&state, claim("key", START)).await);
    assert_eq!(state.due("key").await.unwrap(), None, "a claim alone says nothing of the next time");
    assert!(state.release("key", first, Outcome::Collected).await.unwrap());

    let due = START + 15 * MINUTE - 10 * SECOND;
    assert_eq!(state.due("key").await.unwrap(), Some(due));
    assert_eq!(claim_one(&state, claim("key", due - 1)).await, Claimed::NotDue { due });
    let second = number(claim_one(&state, claim("key", due)).await);
    assert_ne!(first, second);
}

#[tokio::test]
async fn failures_are_tried_again_after_1_2_4_8_minutes_then_at_the_interval() {
    let state = memory().await;
    let mut start = START;
    for minutes in [1, 2, 4, 8, 15, 15] {
        let taken = number(claim_one(&state, claim("key", start)).await);
        state.release("key", taken, Outcome::Failed).await.unwrap();
        let due = start + minutes * MINUTE - 10 * SECOND;
        assert_eq!(state.due("key").await.unwrap(), Some(due), "after {minutes} minutes");
        start = due;
    }
    let taken = number(claim_one(&state, claim("key", start)).await);
    state.release("key", taken, Outcome::Collected).await.unwrap();
    start += 15 * MINUTE;
    let taken = number(claim_one(&state, claim("key", start)).await);
    state.release("key", taken, Outcome::Failed).await.unwrap();
    let due = start + MINUTE - 10 * SECOND;
    assert_eq!(state.due("key").await.unwrap(), Some(due), "success starts the series anew");
}

#[tokio::test]
async fn a_failure_never_waits_longer_than_the_interval() {
    let state = memory().await;
    let short = Claim { interval: MINUTE, slack: 6 * SECOND, ..claim("key", START) };
    let mut start = START;
    for _ in 0..3 {
        let taken = number(claim_one(&state, Claim { run_started: start, ..short.clone() }).await);
        state.release("key", taken, Outcome::Failed).await.unwrap();
        start += MINUTE - 6 * SECOND;
        assert_eq!(state.due("key").await.unwrap(), Some(start));
    }
}

#[tokio::test]
async fn an_abandoned_claim_was_never_made() {
    let state = memory().await;
    let taken = number(claim_one(&state, claim("new", START)).await);
    assert!(state.release("new", taken, Outcome::Abandoned).await.unwrap());
    assert_eq!(state.due("new").await.unwrap(), None);

    let taken = number(claim_one(&state, claim("new", START)).await);
    state.release("new", taken, Outcome::Failed).await.unwrap();
    let before = state.due("new").await.unwrap();
    let taken = number(claim_one(&state, claim("new", START + MINUTE)).await);
    state.release("new", taken, Outcome::Abandoned).await.unwrap();
    assert_eq!(state.due("new").await.unwrap(), before);
    // The next failure is the second, not the third.
    let taken = number(claim_one(&state, claim("new", START + MINUTE)).await);
    state.release("new", taken, Outcome::Failed).await.unwrap();
    assert_eq!(state.due("new").await.unwrap(), Some(START + 3 * MINUTE - 10 * SECOND));
}

#[tokio::test]
async fn a_live_claim_is_busy_even_for_force_and_an_expired_one_is_free() {
    let clock = TestClock::at(START);
    let state = Sqlite::in_memory(clock.clone()).await.unwrap();
    let lost = number(claim_one(&state, claim("key", START)).await);
    let until = START + 5 * MINUTE;
    clock.set(until);
    let forced = Claim { force: true, ..claim("key", until) };
    assert_eq!(claim_one(&state, forced).await, Claimed::Busy { until });

    clock.set(until + 1);
    let taken = number(claim_one(&state, claim("key", until + 1)).await);
    assert_ne!(lost, taken);
    assert!(!state.release("key", lost, Outcome::Collected).await.unwrap());
    assert_eq!(state.due("key").await.unwrap(), None, "a stale release changes nothing");
    let other = claim_one(&state, claim("key", until + 1)).await;
    assert!(matches!(other, Claimed::Busy { .. }), "the claim is still held: {other:?}");
    assert!(state.release("key", taken, Outcome::Collected).await.unwrap());
    assert!(!state.release("key", taken, Outcome::Failed).await.unwrap(), "a claim ends once");
}

#[tokio::test]
async fn force_ignores_the_interval() {
    let state = memory().await;
    let taken = number(claim_one(&state, claim("key", START)).await);
    state.release("key", taken, Outcome::Collected).await.unwrap();
    let again = claim("key", START + SECOND);
    assert!(matches!(claim_one(&state, again.clone()).await, Claimed::NotDue { .. }));
    number(claim_one(&state, Claim { force: true, ..again }).await);
}

#[tokio::test]
async fn answers_come_in_the_order_asked_and_a_key_named_twice_is_claimed_once() {
    let state = memory().await;
    let taken = number(claim_one(&state, claim("b", START)).await);
    state.release("b", taken, Outcome::Collected).await.unwrap();
    let answers =
        state.claim(&[claim("a", START), claim("b", START), claim("c", START), claim("a", START)]).await;
    let answers = answers.unwrap();
    assert!(matches!(answers[0], Claimed::Yes(_)));
    assert!(matches!(answers[1], Claimed::NotDue { .. }));
    assert!(matches!(answers[2], Claimed::Yes(_)));
    assert!(matches!(answers[3], Claimed::Busy { .. }));
    assert_ne!(answers[0], answers[2]);
}

#[tokio::test]
async fn renewing_keeps_a_claim_and_does_not_bring_a_lost_one_back() {
    let clock = TestClock::at(START);
    let state = Sqlite::in_memory(clock.clone()).await.unwrap();
    let kept = number(claim_one(&state, claim("kept", START)).await);
    let lost = number(claim_one(&state, claim("lost", START)).await);
    clock.set(START + 6 * MINUTE);
    let taken = number(claim_one(&state, claim("lost", START + 6 * MINUTE)).await);

    let until = START + 60 * MINUTE;
    state.renew(&[("kept".into(), kept), ("lost".into(), lost)], until).await.unwrap();
    clock.set(START + 12 * MINUTE);
    assert_eq!(claim_one(&state, claim("kept", START)).await, Claimed::Busy { until });
    number(claim_one(&state, claim("lost", START + 12 * MINUTE)).await);
    assert!(!state.release("lost", taken, Outcome::Collected).await.unwrap());
}

#[tokio::test]
async fn a_clock_that_was_ahead_does_not_stop_collecting_for_years() {
    let clock = TestClock::at(START + 1_000_000 * MINUTE);
    let state = Sqlite::in_memory(clock.clone()).await.unwrap();
    let taken = number(claim_one(&state, claim("key", START + 1_000_000 * MINUTE)).await);
    state.release("key", taken, Outcome::Collected).await.unwrap();
    clock.set(START);
    number(claim_one(&state, claim("key", START)).await);
}

// ---- marks ----

#[tokio::test]
async fn marks_are_answered_in_order_and_an_unknown_one_is_empty() {
    let state = memory().await;
    let commit = Commit {
        sent: vec![("b".into(), vec![sent(START, 1, 10), sent(START, 2, 20)])],
        marks: vec![("a".into(), START, START - MINUTE)],
        ..Commit::default()
    };
    state.commit(commit, NO_LIMIT).await.unwrap();
    let marks = state.marks(&["b".into(), "none".into(), "a".into(), "b".into()]).await.unwrap();
    let b = Mark { until: None, sent: vec![sent(START, 1, 10), sent(START, 2, 20)] };
    assert_eq!(
        marks,
        [b.clone(), Mark::default(), Mark { until: Some(START), sent: vec![] }, b],
        "reading a mark does not make one"
    );
}

#[tokio::test]
async fn a_mark_never_moves_backwards() {
    let state = memory().await;
    for until in [START, START - MINUTE, START + MINUTE, START] {
        let marks = vec![("mark".to_owned(), until, 0)];
        state.commit(Commit { marks, ..Commit::default() }, NO_LIMIT).await.unwrap();
    }
    assert_eq!(state.marks(&["mark".into()]).await.unwrap()[0].until, Some(START + MINUTE));
}

#[tokio::test]
async fn extreme_numbers_come_back_as_they_went_in() {
    let state = memory().await;
    let entries =
        vec![sent(i64::MIN, 0, u64::MAX), sent(-1, u64::MAX, 0), sent(0, 1, 1), sent(i64::MAX, u64::MAX, 7)];
    let commit = Commit { sent: vec![("mark".into(), entries.clone())], ..Commit::default() };
    state.commit(commit, NO_LIMIT).await.unwrap();
    assert_eq!(state.marks(&["mark".into()]).await.unwrap()[0].sent, entries);
}

/// One step of the property: what is sent, and perhaps where the mark moves.
type Step = (Vec<(i64, u64, u64)>, Option<(i64, i64)>);

/// `.ci/run --long` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    /// Against the simplest model there is: everything sent in one map, nothing ever forgotten. The state must hold what may not
    /// be forgotten, with the last value, and may hold more, but nothing else.
    #[test]
    fn a_mark_remembers_the_last_of_everything_that_may_not_be_forgotten(
        steps in prop::collection::vec(
            (
                prop::collection::vec((0..60_i64, 0..4_u64, 0..1000_u64), 0..6),
                prop::option::of((0..60_i64, 0..60_i64)),
            ),
            0..120,
        )
    ) {
        let steps: Vec<Step> = steps;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let state = memory().await;
            let mut model: BTreeMap<(i64, u64), u64> = BTreeMap::new();
            let mut until = None;
            let mut forgotten = 0;
            for (entries, moved) in &steps {
                let list: Vec<Sent> =
                    entries.iter().map(|(time, identity, fields)| sent(*time, *identity, *fields)).collect();
                model.extend(list.iter().map(|entry| ((entry.time, entry.identity), entry.fields)));
                let marks = moved.iter().map(|(to, before)| ("mark".to_owned(), *to, *before)).collect();
                if let Some((to, before)) = moved {
                    until = until.max(Some(*to));
                    forgotten = forgotten.max(*before);
                }
                let commit = Commit { sent: vec![("mark".into(), list)], marks, ..Commit::default() };
                state.commit(commit, NO_LIMIT).await.unwrap();
            }
            let mark = state.marks(&["mark".into()]).await.unwrap().remove(0);
            prop_assert_eq!(mark.until, until);
            let found: BTreeMap<(i64, u64), u64> =
                mark.sent.iter().map(|entry| ((entry.time, entry.identity), entry.fields)).collect();
            prop_assert_eq!(found.len(), mark.sent.len(), "each identity and time once");
            for (key, fields) in &found {
                // An entry sent again after it was forgotten may stand without its successor's rivals, never with an invented value.
                prop_assert!(model.contains_key(key), "{:?} was never sent", key);
                if key.0 >= forgotten {
                    prop_assert_eq!(model.get(key), Some(fields));
                }
            }
            for (key, fields) in model.range((forgotten, 0)..) {
                prop_assert_eq!(found.get(key), Some(fields), "lost {:?}", key);
            }
            Ok(())
        })?;
    }

    /// The outbox against a plain list.
    #[test]
    fn the_outbox_keeps_the_newest_that_fit(
        sizes in prop::collection::vec((0..300_usize, 1..50_u64), 0..30),
        limit in 0..1500_u64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let state = memory().await;
            let mut model: Vec<(usize, u64)> = Vec::new();
            for (bytes, points) in sizes {
                let evicted = state.commit(keep(vec![parcel("dk", points, &vec![1; bytes])]), limit).await;
                model.push((bytes, points));
                let mut expected = Evicted::default();
                while model.iter().map(|(bytes, _)| *bytes as u64).sum::<u64>() > limit {
                    let (_, points) = model.remove(0);
                    expected.parcels += 1;
                    expected.points += points;
                }
                prop_assert_eq!(evicted.unwrap(), expected);
            }
            let kept: Vec<(usize, u64)> = state
                .outbox("dk", 0, 1000)
                .await
                .unwrap()
                .iter()
                .map(|parcel| (parcel.body.len(), parcel.points))
                .collect();
            prop_assert_eq!(kept, model);
            Ok(())
        })?;
    }
}

// ---- outbox ----

#[tokio::test]
async fn parcels_come_back_whole_in_the_order_they_were_kept_by_datakit() {
    let state = memory().await;
    let object = Parcel { category: "custom_object".into(), ..parcel("one", 3, b"\x00\xffthree") };
    state
        .commit(keep(vec![parcel("one", 1, b"first"), parcel("two", 2, b""), object.clone()]), NO_LIMIT)
        .await
        .unwrap();
    state.commit(keep(vec![parcel("one", 4, b"last")]), NO_LIMIT).await.unwrap();

    let first = state.outbox("one", 0, 2).await.unwrap();
    assert_eq!(first.len(), 2);
    assert!(0 < first[0].id && first[0].id < first[1].id);
    assert_eq!(first[0], Parcel { id: first[0].id, ..parcel("one", 1, b"first") });
    assert_eq!(first[1], Parcel { id: first[1].id, ..object });
    let rest = state.outbox("one", first[1].id, 10).await.unwrap();
    assert_eq!(rest.iter().map(|parcel| parcel.points).collect::<Vec<_>>(), [4]);
    assert_eq!(
        state.outbox_sizes().await.unwrap(),
        [("one".to_owned(), 3, 8, 5 + 7 + 4), ("two".to_owned(), 1, 2, 0)]
    );
    assert_eq!(state.outbox("three", 0, 10).await.unwrap(), []);
}

#[tokio::test]
async fn removed_parcels_are_gone_and_their_ids_never_come_back() {
    let state = memory().await;
    state.commit(keep(vec![parcel("dk", 1, b"a"), parcel("dk", 2, b"b")]), NO_LIMIT).await.unwrap();
    let ids: Vec<i64> = state.outbox("dk", 0, 9).await.unwrap().iter().map(|parcel| parcel.id).collect();
    let commit = Commit {
        removed: ids.clone(),
        marks: vec![("mark".into(), START, 0)],
        kept: vec![parcel("dk", 3, b"c")],
        ..Commit::default()
    };
    assert_eq!(state.commit(commit, NO_LIMIT).await.unwrap(), Evicted::default());
    let left = state.outbox("dk", 0, 9).await.unwrap();
    assert_eq!(left.iter().map(|parcel| parcel.points).collect::<Vec<_>>(), [3]);
    assert!(left[0].id > ids[1]);
    let again = Commit { removed: vec![ids[0], 12_345], ..Commit::default() };
    state.commit(again, NO_LIMIT).await.unwrap();
    assert_eq!(state.outbox("dk", 0, 9).await.unwrap(), left, "what is gone already is no error");
}

#[tokio::test]
async fn a_full_outbox_loses_the_oldest_of_all_datakits_and_says_how_many_points() {
    let state = memory().await;
    let parcels = vec![parcel("one", 10, &[0; 40]), parcel("two", 20, &[0; 40]), parcel("one", 30, &[0; 40])];
    assert_eq!(state.commit(keep(parcels), 120).await.unwrap(), Evicted::default());
    let evicted = state.commit(keep(vec![parcel("two", 40, &[0; 41])]), 120).await.unwrap();
    assert_eq!(evicted, Evicted { parcels: 2, points: 30 });
    assert_eq!(
        state.outbox_sizes().await.unwrap(),
        [("one".to_owned(), 1, 30, 40), ("two".to_owned(), 1, 40, 41)]
    );
    let evicted = state.commit(keep(vec![parcel("one", 50, &[0; 121])]), 120).await.unwrap();
    assert_eq!(evicted, Evicted { parcels: 3, points: 120 }, "a parcel larger than the limit does not stay");
}

// ---- objects, cache, calls ----

fn object(name: &str, more: &[(&str, &str)]) -> Object {
    let mut tags = BTreeMap::from([("name".to_owned(), name.to_owned())]);
    tags.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    Object { name: name.into(), tags }
}

fn scope(region: &str) -> ObjectScope {
    ObjectScope { account: "aws:AK".into(), class: "aws_ec2".into(), region: region.into() }
}

#[tokio::test]
async fn objects_are_kept_changed_and_forgotten_by_scope() {
    let state = memory().await;
    let nasty = object("i-1", &[("InstanceName", "业务 \"系统\"\n\\ 🚀"), ("empty", "")]);
    state
        .keep_objects(&scope("cn-north-1"), &[nasty.clone(), object("i-2", &[]), object("i-3", &[])], START)
        .await
        .unwrap();
    state.keep_objects(&scope("us-east-1"), &[object("i-1", &[("State", "running")])], START).await.unwrap();
    let other = ObjectScope { account: "aws:OTHER".into(), ..scope("cn-north-1") };
    state.keep_objects(&other, &[object("i-9", &[])], START).await.unwrap();

    let changed = object("i-2", &[("State", "stopped")]);
    state.keep_objects(&scope("cn-north-1"), std::slice::from_ref(&changed), START + 1).await.unwrap();
    let north = ("cn-north-1".to_owned(), nasty.clone());
    assert_eq!(
        state.objects("aws:AK", "aws_ec2", None).await.unwrap(),
        [
            north.clone(),
            ("cn-north-1".to_owned(), changed),
            ("cn-north-1".to_owned(), object("i-3", &[])),
            ("us-east-1".to_owned(), object("i-1", &[("State", "running")])),
        ]
    );

    let forgotten = state.forget_objects(&scope("cn-north-1"), &["i-1".into(), "i-77".into()]).await.unwrap();
    assert_eq!(forgotten, 2);
    assert_eq!(state.objects("aws:AK", "aws_ec2", Some("cn-north-1")).await.unwrap(), [north]);
    assert_eq!(state.objects("aws:AK", "aws_ec2", Some("us-east-1")).await.unwrap().len(), 1);
    assert_eq!(state.objects("aws:OTHER", "aws_ec2", None).await.unwrap().len(), 1);
    assert_eq!(state.objects("aws:AK", "aws_rds", None).await.unwrap(), []);

    assert_eq!(state.forget_objects(&scope("cn-north-1"), &[]).await.unwrap(), 1, "an empty region");
    assert_eq!(state.forget_objects(&scope("nowhere"), &[]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_value_is_recalled_until_it_expires() {
    let clock = TestClock::at(START);
    let state = Sqlite::in_memory(clock.clone()).await.unwrap();
    assert_eq!(state.recall("list", START).await.unwrap(), None);
    state.remember("list", b"one", START + MINUTE).await.unwrap();
    state.remember("list", b"\x00two", START + 2 * MINUTE).await.unwrap();
    state.remember("empty", b"", START + 2 * MINUTE).await.unwrap();
    assert_eq!(state.recall("list", START + MINUTE).await.unwrap().as_deref(), Some(&b"\x00two"[..]));
    assert_eq!(state.recall("empty", START).await.unwrap().as_deref(), Some(&b""[..]));
    assert_eq!(state.recall("list", START + 2 * MINUTE).await.unwrap(), None);

    // Another value makes room: what has expired is gone for good, even for a clock that is behind.
    clock.set(START + 3 * MINUTE);
    state.remember("other", b"x", START + 9 * MINUTE).await.unwrap();
    assert_eq!(state.recall("list", START).await.unwrap(), None);
    assert_eq!(state.recall("other", START + 3 * MINUTE).await.unwrap().as_deref(), Some(&b"x"[..]));
}

#[tokio::test]
async fn calls_add_up_by_day_and_account() {
    let state = memory().await;
    let counts = |pairs: &[(&str, u64)]| -> BTreeMap<String, u64> {
        pairs.iter().map(|(action, count)| ((*action).to_owned(), *count)).collect()
    };
    let first = counts(&[("ec2:DescribeInstances", 3), ("monitoring:GetMetricData", 1)]);
    state.count_calls("2026-11-22", "a", &first).await.unwrap();
    state.count_calls("2026-11-22", "a", &counts(&[("ec2:DescribeInstances", 4)])).await.unwrap();
    state.count_calls("2026-11-23", "a", &counts(&[("ec2:DescribeInstances", 5)])).await.unwrap();
    state.count_calls("2026-11-22", "b", &counts(&[("ec2:DescribeInstances", 6)])).await.unwrap();
    assert_eq!(
        state.calls("2026-11-22", "a").await.unwrap(),
        counts(&[("ec2:DescribeInstances", 7), ("monitoring:GetMetricData", 1)])
    );
    assert_eq!(state.calls("2026-11-21", "a").await.unwrap(), BTreeMap::new());
}

// ---- the file ----

#[tokio::test]
async fn everything_is_there_after_closing_and_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(folder.path()).await;
    let taken = number(claim_one(&state, claim("key", START)).await);
    state.release("key", taken, Outcome::Collected).await.unwrap();
    let commit = Commit {
        sent: vec![("mark".into(), vec![sent(START, 1, 2)])],
        marks: vec![("mark".into(), START, START - MINUTE)],
        kept: vec![parcel("dk", 1, b"body")],
        ..Commit::default()
    };
    state.commit(commit, NO_LIMIT).await.unwrap();
    state.keep_objects(&scope("r"), &[object("i-1", &[])], START).await.unwrap();
    state.remember("list", b"value", START + MINUTE).await.unwrap();
    state.count_calls("2026-11-22", "a", &BTreeMap::from([("x:Y".to_owned(), 1)])).await.unwrap();
    state.close().await;
    let closed = state.due("key").await.unwrap_err();
    assert!(closed.to_string().ends_with("has been closed"), "{closed}");

    let state = open(folder.path()).await;
    assert_eq!(state.due("key").await.unwrap(), Some(START + 15 * MINUTE - 10 * SECOND));
    let mark = Mark { until: Some(START), sent: vec![sent(START, 1, 2)] };
    assert_eq!(state.marks(&["mark".into()]).await.unwrap(), [mark]);
    assert_eq!(state.outbox("dk", 0, 9).await.unwrap().len(), 1);
    assert_eq!(state.objects("aws:AK", "aws_ec2", None).await.unwrap().len(), 1);
    assert!(state.recall("list", START).await.unwrap().is_some());
    assert_eq!(state.calls("2026-11-22", "a").await.unwrap().len(), 1);
    let again = number(claim_one(&state, claim("other", START)).await);
    assert!(again > taken, "a claim's number is never given twice");
}

#[tokio::test]
async fn what_no_run_can_use_any_more_is_forgotten_when_the_state_is_opened() {
    const DAY: i64 = 24 * 60 * MINUTE;
    let folder = tempfile::tempdir().unwrap();
    let state = open(folder.path()).await;
    let taken = number(claim_one(&state, claim("key", START)).await);
    state.release("key", taken, Outcome::Collected).await.unwrap();
    let commit = Commit {
        sent: vec![("mark".into(), vec![sent(START, 1, 2)])],
        marks: vec![("mark".into(), START, START - MINUTE)],
        ..Commit::default()
    };
    state.commit(commit, NO_LIMIT).await.unwrap();
    state.count_calls("2026-11-22", "a", &BTreeMap::from([("x:Y".to_owned(), 1)])).await.unwrap();
    state.close().await;

    let mark = ["mark".to_owned()];
    let later = Sqlite::open(folder.path(), TestClock::at(START + 3 * DAY)).await.unwrap();
    assert_eq!(later.marks(&mark).await.unwrap(), [Mark { until: Some(START), sent: vec![] }]);
    assert!(later.due("key").await.unwrap().is_some());
    later.close().await;
    let years = Sqlite::open(folder.path(), TestClock::at(START + 900 * DAY)).await.unwrap();
    assert_eq!(years.marks(&mark).await.unwrap(), [Mark::default()]);
    assert_eq!(years.due("key").await.unwrap(), None);
    assert!(years.calls("2026-11-22", "a").await.unwrap().is_empty());
}

#[cfg(unix)]
#[tokio::test]
async fn folder_and_files_are_their_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("new/deeper");
    let state = open(&folder).await;
    state.commit(keep(vec![parcel("dk", 1, b"body")]), NO_LIMIT).await.unwrap();
    assert_eq!(mode(&root.path().join("new")), 0o700);
    assert_eq!(mode(&folder), 0o700);
    let files: BTreeSet<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(files, BTreeSet::from(["", "-shm", "-wal"].map(|end| format!("{FILE_NAME}{end}"))));
    for file in &files {
        assert_eq!(mode(&folder.join(file)), 0o600, "{file}");
    }
    state.close().await;

    // A copy that everybody can read is made private again.
    std::fs::set_permissions(folder.join(FILE_NAME), PermissionsExt::from_mode(0o644)).unwrap();
    let _state = open(&folder).await;
    assert_eq!(mode(&folder.join(FILE_NAME)), 0o600);
}

/// Every file of a folder, byte for byte.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap()))
        .collect()
}

async fn refused(folder: &Path) -> String {
    let before = contents(folder);
    let error = Sqlite::open(folder, TestClock::at(START)).await.unwrap_err();
    assert_eq!(contents(folder), before, "a refused file stays as it is, alone");
    error.to_string().replace(folder.to_str().unwrap(), "DIR")
}

#[tokio::test]
async fn a_newer_version_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).await.close().await;
    let path = folder.path().join(FILE_NAME);
    let mut bytes = std::fs::read(&path).unwrap();
    // The version stands in the header, big endian: https://www.sqlite.org/fileformat.html#user_version_number
    bytes[60..64].copy_from_slice(&7_i32.to_be_bytes());
    std::fs::write(&path, &bytes).unwrap();
    let error = Sqlite::open(folder.path(), TestClock::at(START)).await.unwrap_err();
    assert!(matches!(error, StateError::Newer { found: 7, known: 2, .. }), "{error:?}");
    insta::assert_snapshot!(refused(folder.path()).await, @"the state DIR/funchost.db was written by a newer version (format 7, this program knows 2): update funchost, or name another state with --state");
}

#[tokio::test]
async fn a_newer_version_that_stands_in_the_log_only_is_refused_untouched() {
    use sqlx::ConnectOptions;
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).await.close().await;
    let path = folder.path().join(FILE_NAME);
    let mut writer = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    sqlx::raw_sql("PRAGMA user_version = 9").execute(&mut writer).await.unwrap();
    // What is on the disk while the other process still runs is what a killed one leaves.
    let killed = tempfile::tempdir().unwrap();
    for end in ["", "-wal"] {
        let name = format!("{FILE_NAME}{end}");
        std::fs::copy(folder.path().join(&name), killed.path().join(&name)).unwrap();
    }
    let before = contents(killed.path());
    let error = Sqlite::open(killed.path(), TestClock::at(START)).await.unwrap_err();
    assert!(matches!(error, StateError::Newer { found: 9, .. }), "{error:?}");
    let after = contents(killed.path());
    for end in ["", "-wal"] {
        let name = format!("{FILE_NAME}{end}");
        assert_eq!(before[&name], after[&name], "{name}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_state_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(FILE_NAME), "my notes, which happen to have this name\n".repeat(40))
        .unwrap();
    insta::assert_snapshot!(refused(folder.path()).await, @"DIR/funchost.db is not a state of funchost: it is no SQLite database; it was left as it is: move it away, or name another state with --state");
}

#[tokio::test]
async fn a_strangers_database_is_refused_untouched() {
    use sqlx::ConnectOptions;
    let folder = tempfile::tempdir().unwrap();
    let mut stranger = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(folder.path().join(FILE_NAME))
        .create_if_missing(true)
        .connect()
        .await
        .unwrap();
    sqlx::raw_sql("CREATE TABLE mine (n INTEGER)").execute(&mut stranger).await.unwrap();
    sqlx::Connection::close(stranger).await.unwrap();
    insta::assert_snapshot!(refused(folder.path()).await, @"DIR/funchost.db is not a state of funchost: it is a database of another program; it was left as it is: move it away, or name another state with --state");
}

#[tokio::test]
async fn a_damaged_file_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(folder.path()).await;
    state.commit(keep(vec![parcel("dk", 1, &[1; 100_000])]), NO_LIMIT).await.unwrap();
    state.close().await;
    let path = folder.path().join(FILE_NAME);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100..4096].fill(0xee);
    std::fs::write(&path, &bytes).unwrap();
    insta::assert_snapshot!(refused(folder.path()).await, @"the state DIR/funchost.db is damaged (database disk image is malformed); it was left as it is: put a copy in its place, or move it away and run again, which starts intervals, marks and kept points anew");
}

#[tokio::test]
async fn damage_that_shows_later_is_said_when_it_is_met() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(folder.path()).await;
    let many: Vec<Object> = (0..2000).map(|n| object(&format!("i-{n}"), &[])).collect();
    state.keep_objects(&scope("r"), &many, START).await.unwrap();
    state.close().await;
    let path = folder.path().join(FILE_NAME);
    let mut bytes = std::fs::read(&path).unwrap();
    // Every page behind those of the empty tables.
    bytes[40 * 4096..].fill(0xee);
    std::fs::write(&path, &bytes).unwrap();
    let state = open(folder.path()).await;
    let error = state.objects("aws:AK", "aws_ec2", None).await.unwrap_err().to_string();
    insta::assert_snapshot!(error.replace(folder.path().to_str().unwrap(), "DIR"), @"the state DIR/funchost.db is damaged (database disk image is malformed); it was left as it is: put a copy in its place, or move it away and run again, which starts intervals, marks and kept points anew");
}

#[tokio::test]
async fn an_empty_file_is_a_new_state() {
    // What a process leaves that was killed between making the file and writing to it.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(FILE_NAME), b"").unwrap();
    let state = open(folder.path()).await;
    number(claim_one(&state, claim("key", START)).await);
}

#[tokio::test]
async fn a_place_where_no_state_can_be_is_said() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("file"), b"x").unwrap();
    let error = Sqlite::open(&root.path().join("file/below"), TestClock::at(START)).await.unwrap_err();
    insta::assert_snapshot!(error.to_string().replace(root.path().to_str().unwrap(), "DIR"), @"the folder of the state DIR/file/below cannot be made (Not a directory (os error 20)): make its parent writable for this user, or name another state with --state");

    let folder = root.path().join("state");
    std::fs::create_dir_all(folder.join(FILE_NAME)).unwrap();
    let error = Sqlite::open(&folder, TestClock::at(START)).await.unwrap_err();
    insta::assert_snapshot!(error.to_string().replace(root.path().to_str().unwrap(), "DIR"), @"DIR/state/funchost.db is not a state of funchost: it is no regular file; it was left as it is: move it away, or name another state with --state");
}

// ---- several handles, several processes ----

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_handles_in_one_process_claim_each_key_once_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = tokio::join!(open(folder.path()), open(folder.path()));
    let states = [Arc::new(one), Arc::new(two)];
    let mut tasks = Vec::new();
    for (who, state) in states.iter().enumerate() {
        for part in 0..4_u64 {
            let state = state.clone();
            tasks.push(tokio::spawn(async move {
                let mut mine = Vec::new();
                for n in 0..50 {
                    let key = format!("key {n}");
                    if let Claimed::Yes(_) = claim_one(&state, claim(&key, START)).await {
                        mine.push(key);
                    }
                    let identity = who as u64 * 1000 + part * 100 + n;
                    let commit = Commit {
                        sent: vec![("mark".into(), vec![sent(START, identity, n)])],
                        kept: vec![parcel("dk", 1, &identity.to_le_bytes())],
                        ..Commit::default()
                    };
                    state.commit(commit, NO_LIMIT).await.unwrap();
                }
                mine
            }));
        }
    }
    let mut claimed = Vec::new();
    for task in tasks {
        claimed.extend(task.await.unwrap());
    }
    claimed.sort();
    assert_eq!(claimed.len(), 50);
    claimed.dedup();
    assert_eq!(claimed.len(), 50);
    assert_eq!(states[0].marks(&["mark".into()]).await.unwrap()[0].sent.len(), 400);
    assert_eq!(states[1].outbox_sizes().await.unwrap(), [("dk".to_owned(), 400, 400, 3200)]);
}

/// A run's deadline drops what is under way, at whatever step it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_dropped_is_whole_or_absent_and_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(folder.path()).await;
    let keys = ["a".to_owned(), "b".to_owned()];
    let mut dropped = 0;
    for n in 1..=150 {
        let time = START + n;
        let commit = Commit {
            sent: vec![("a".into(), vec![sent(time, 1, 1)]), ("b".into(), vec![sent(time, 2, 2)])],
            marks: vec![("a".into(), time, 0), ("b".into(), time, 0)],
            kept: vec![Parcel { created: time, ..parcel("dk", 1, b"body") }],
            ..Commit::default()
        };
        let mut future = Box::pin(state.commit(commit, NO_LIMIT));
        let mut done = false;
        for _ in 0..n {
            done = futures_util::poll!(&mut future).is_ready();
            if done {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(future);
        dropped += u32::from(!done);
        // Writers queue: when the next is through, what was dropped is decided.
        state.renew(&[], START).await.unwrap();

        let marks = state.marks(&keys).await.unwrap();
        let times = |mark: &Mark| mark.sent.iter().map(|entry| entry.time).collect::<Vec<_>>();
        assert_eq!(times(&marks[0]), times(&marks[1]));
        assert_eq!(marks[0].until, marks[1].until);
        assert_eq!(marks[0].until, times(&marks[0]).last().copied());
        let kept = state.outbox("dk", 0, 1000).await.unwrap();
        assert_eq!(kept.iter().map(|parcel| parcel.created).collect::<Vec<_>>(), times(&marks[0]));
    }
    assert!(dropped > 0, "nothing was dropped: this test shows nothing");
    state.commit(keep(vec![parcel("dk", 1, b"last")]), NO_LIMIT).await.unwrap();
}

/// This test program again, as another process that runs one test; it waits for a line before it begins.
fn spawn(test: &str, folder: &Path, name: &str) -> (Child, std::io::Lines<BufReader<ChildStdout>>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, format!("{name}={}", folder.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

/// Who this process is and where it works, where it is a child.
fn child() -> Option<(String, std::path::PathBuf)> {
    let told = std::env::var(CHILD).ok()?;
    let (name, folder) = told.split_once('=').unwrap();
    Some((name.to_owned(), folder.into()))
}

/// The lines in which a child says something to its parent, between those of the test harness.
fn said(line: std::io::Result<String>) -> Option<String> {
    let line = line.unwrap();
    // The harness writes `test name ... ` before the child's first word.
    line.rfind("says:").map(|at| line[at + 5..].to_owned())
}

#[tokio::test]
async fn two_processes_claim_each_of_200_keys_once_and_lose_nothing() {
    const TEST: &str = "two_processes_claim_each_of_200_keys_once_and_lose_nothing";
    if let Some((name, folder)) = child() {
        std::io::stdin().read_line(&mut String::new()).unwrap();
        // Opening a new file is part of what two processes do at once.
        let state = open(&folder).await;
        for batch in (0..200).collect::<Vec<_>>().chunks(3) {
            let claims: Vec<Claim> = batch.iter().map(|n| claim(&format!("key {n}"), START)).collect();
            for (claim, answer) in claims.iter().zip(state.claim(&claims).await.unwrap()) {
                if let Claimed::Yes(number) = answer {
                    println!("says:{} {number}", claim.key);
                }
            }
            let identity = batch[0] as u64 + if name == "one" { 0 } else { 1000 };
            let commit = Commit {
                sent: vec![("mark".into(), vec![sent(START, identity, 1)])],
                kept: vec![parcel("dk", 1, name.as_bytes())],
                ..Commit::default()
            };
            state.commit(commit, NO_LIMIT).await.unwrap();
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut children = [spawn(TEST, folder.path(), "one"), spawn(TEST, folder.path(), "two")];
    for (child, _) in &mut children {
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }
    let mut claimed = Vec::new();
    for (mut child, lines) in children {
        claimed.extend(lines.filter_map(said));
        assert!(child.wait().unwrap().success());
    }
    let keys: BTreeSet<&str> = claimed.iter().map(|line| line.rsplit_once(' ').unwrap().0).collect();
    let numbers: BTreeSet<&str> = claimed.iter().map(|line| line.rsplit_once(' ').unwrap().1).collect();
    assert_eq!((claimed.len(), keys.len(), numbers.len()), (200, 200, 200));
    let state = open(folder.path()).await;
    assert_eq!(state.marks(&["mark".into()]).await.unwrap()[0].sent.len(), 2 * 67);
    assert_eq!(state.outbox_sizes().await.unwrap(), [("dk".to_owned(), 134, 134, 134 * 3)]);
}

#[tokio::test]
async fn a_process_killed_at_any_moment_leaves_every_commit_whole_or_absent() {
    const TEST: &str = "a_process_killed_at_any_moment_leaves_every_commit_whole_or_absent";
    // `.ci/run --long` asks for more.
    let kills: u64 = std::env::var("FUNCHOST_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(10);
    if let Some((_, folder)) = child() {
        let state = open(&folder).await;
        let done = state.marks(&["a".into()]).await.unwrap()[0].until.unwrap_or(START);
        for n in 1.. {
            let time = done + n;
            let commit = Commit {
                sent: vec![
                    ("a".into(), vec![sent(time, 1, 1), sent(time, 2, 2)]),
                    ("b".into(), vec![sent(time, 3, 3)]),
                ],
                marks: vec![("a".into(), time, 0), ("b".into(), time, 0)],
                kept: vec![Parcel { created: time, ..parcel("dk", 1, &[5; 30_000]) }],
                ..Commit::default()
            };
            state.commit(commit, NO_LIMIT).await.unwrap();
            println!("says:{time}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let keys = ["a".to_owned(), "b".to_owned()];
    let mut before = START;
    for kill in 0..kills {
        let (mut child, lines) = spawn(TEST, folder.path(), "killed");
        // The child goes on committing while the line is on its way: the kill falls somewhere into its work.
        let mut acknowledged = lines.filter_map(said).map(|line| line.parse::<Time>().unwrap());
        let last = acknowledged.nth(usize::try_from(kill * 7 % 11).unwrap()).unwrap();
        child.kill().unwrap();
        let last = acknowledged.last().unwrap_or(last);
        child.wait().unwrap();

        let state = open(folder.path()).await;
        let marks = state.marks(&keys).await.unwrap();
        let until = marks[0].until.unwrap();
        assert!(until >= last, "acknowledged {last}, found {until}");
        assert!(until > before);
        assert_eq!(marks[1].until, Some(until));
        let times: Vec<Time> = (START + 1..=until).collect();
        let expected: Vec<Sent> =
            times.iter().flat_map(|time| [sent(*time, 1, 1), sent(*time, 2, 2)]).collect();
        assert_eq!(marks[0].sent, expected);
        assert_eq!(marks[1].sent, times.iter().map(|time| sent(*time, 3, 3)).collect::<Vec<_>>());
        let parcels = state.outbox("dk", 0, u32::MAX).await.unwrap();
        assert_eq!(parcels.iter().map(|parcel| parcel.created).collect::<Vec<_>>(), times);
        assert!(parcels.iter().all(|parcel| parcel.body == [5; 30_000]));
        state.close().await;
        before = until;
    }
}

/// As root every file can be written: the child gives root up first.
#[cfg(unix)]
#[tokio::test]
async fn a_file_or_folder_that_may_not_be_written_is_said_and_stays_as_it_is() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    const TEST: &str = "a_file_or_folder_that_may_not_be_written_is_said_and_stays_as_it_is";
    if let Some((_, folder)) = child() {
        let error = Sqlite::open(&folder, TestClock::at(START)).await.unwrap_err();
        println!("says:{error}");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let set =
        |path: &Path, mode: u32| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    let folder = root.path().join("state");
    open(&folder).await.close().await;
    // An ordinary user must get at this test program, wherever it was built.
    let program = root.path().join("program");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    set(root.path(), 0o755);
    set(&program, 0o755);
    let ask = |folder: &Path| {
        let mut command = Command::new(&program);
        command.args(["--exact", TEST, "--nocapture"]).env(CHILD, format!("user={}", folder.display()));
        if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
            command.uid(65_534).gid(65_534);
        }
        let output = command.current_dir(root.path()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find_map(|line| said(Ok(line.to_owned())));
        line.unwrap_or_else(|| panic!("{text}")).replace(root.path().to_str().unwrap(), "DIR")
    };

    set(&folder, 0o555);
    set(&folder.join(FILE_NAME), 0o444);
    let before = contents(&folder);
    insta::assert_snapshot!(ask(&folder), @"the state DIR/state/funchost.db cannot be written (attempt to write a readonly database): make the file and its folder writable for this user, or name another state with --state");
    assert_eq!(contents(&folder), before);

    let empty = root.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    set(&empty, 0o555);
    insta::assert_snapshot!(ask(&empty), @"the state DIR/empty/funchost.db cannot be written (Permission denied (os error 13)): make the file and its folder writable for this user, or name another state with --state");
    insta::assert_snapshot!(ask(&empty.join("below")), @"the folder of the state DIR/empty/below cannot be made (Permission denied (os error 13)): make its parent writable for this user, or name another state with --state");
    assert!(contents(&empty).is_empty());
    set(&folder, 0o755);
    set(&empty, 0o755);
}

/// A file that may not grow any further stands for a disk that refuses: the shell sets the limit and ignores its signal.
#[cfg(unix)]
#[tokio::test]
async fn a_disk_that_refuses_to_write_loses_nothing_that_was_acknowledged() {
    const TEST: &str = "a_disk_that_refuses_to_write_loses_nothing_that_was_acknowledged";
    if let Some((_, folder)) = child() {
        let state = open(&folder).await;
        for n in 0.. {
            let commit = Commit {
                marks: vec![("mark".into(), START + n, 0)],
                kept: vec![parcel("dk", 1, &[5; 50_000])],
                ..Commit::default()
            };
            match state.commit(commit, NO_LIMIT).await {
                Ok(_) => println!("says:{}", START + n),
                Err(error) => {
                    println!("says:{error}");
                    return;
                }
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 2000; exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .arg(TEST)
        .env(CHILD, format!("full={}", folder.path().display()))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<String> = text.lines().filter_map(|line| said(Ok(line.to_owned()))).collect();
    let error = lines.pop().unwrap().replace(folder.path().to_str().unwrap(), "DIR");
    insta::assert_snapshot!(error, @"the disk that holds the state DIR/funchost.db cannot be read or written (disk I/O error): check its free space and its health, or name another state with --state");

    let state = open(folder.path()).await;
    let until = state.marks(&["mark".into()]).await.unwrap()[0].until.unwrap();
    let last: Time = lines.last().unwrap().parse().unwrap();
    assert!(until >= last);
    let parcels = state.outbox("dk", 0, u32::MAX).await.unwrap();
    assert_eq!(parcels.len() as i64, until - START + 1);
    assert!(parcels.iter().all(|parcel| parcel.body == [5; 50_000]));
    state.commit(keep(vec![parcel("dk", 1, b"more")]), NO_LIMIT).await.unwrap();
}
