//! What every state promises, whatever it is kept in: compiled into the tests of each database.

use super::Backend;
use funchost::state::{
    Claim, Claimed, Commit, Evicted, Mark, Object, ObjectScope, Outcome, Parcel, Sent, State, Time,
};
use funchost_collectors::clock::{Clock, SECOND};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

pub(crate) const MINUTE: i64 = 60 * SECOND;
/// 2026-11-22T00:00:00Z.
pub(crate) const START: Time = 1_795_305_600 * SECOND;
pub(crate) const NO_LIMIT: u64 = u64::MAX;

#[derive(Debug)]
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn at(time: Time) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(time)))
    }

    pub(crate) fn set(&self, time: Time) {
        self.0.store(time, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

async fn memory() -> Backend {
    super::fresh(TestClock::at(START)).await
}

pub(crate) fn claim(key: &str, run_started: Time) -> Claim {
    Claim {
        key: key.into(),
        run_started,
        interval: 15 * MINUTE,
        slack: 10 * SECOND,
        expires: run_started + 5 * MINUTE,
        force: false,
    }
}

pub(crate) async fn claim_one(state: &dyn State, claim: Claim) -> Claimed {
    let answers = state.claim(&[claim]).await.unwrap();
    assert_eq!(answers.len(), 1);
    answers[0]
}

pub(crate) fn number(claimed: Claimed) -> i64 {
    match claimed {
        Claimed::Yes(number) => number,
        other => panic!("not claimed: {other:?}"),
    }
}

pub(crate) fn sent(time: Time, identity: u64, fields: u64) -> Sent {
    Sent { time, identity, fields }
}

pub(crate) fn parcel(datakit: &str, points: u64, body: &[u8]) -> Parcel {
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

pub(crate) fn keep(kept: Vec<Parcel>) -> Commit {
    Commit { kept, ..Commit::default() }
}

// ---- claims ----

#[tokio::test]
async fn a_collected_key_is_due_an_interval_after_the_start_of_its_run() {
    let clock = TestClock::at(START);
    let state = super::fresh(clock.clone()).await;
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
    let state = super::fresh(clock.clone()).await;
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
async fn a_claim_of_a_clock_that_was_a_day_ahead_holds_nobody_up() {
    let clock = TestClock::at(START + 24 * 60 * MINUTE);
    let state = super::fresh(clock.clone()).await;
    let lost = number(claim_one(&state, claim("key", START + 24 * 60 * MINUTE)).await);
    // Its process was killed, and the clock has been set right.
    clock.set(START);
    let taken = number(claim_one(&state, claim("key", START)).await);
    assert!(!state.release("key", lost, Outcome::Collected).await.unwrap());
    assert!(state.release("key", taken, Outcome::Collected).await.unwrap());
}

#[tokio::test]
async fn a_mark_of_a_clock_that_was_a_day_ahead_is_set_right_by_the_next_commit() {
    let state = memory().await;
    let key = || "mark".to_owned();
    let move_to = async |until: i64| {
        let commit = Commit { marks: vec![(key(), until, 0)], ..Commit::default() };
        state.commit(commit, u64::MAX).await.unwrap();
        state.marks(&[key()]).await.unwrap()[0].until
    };
    assert_eq!(move_to(START).await, Some(START));
    assert_eq!(move_to(START - 60 * MINUTE).await, Some(START), "a slower process moves nothing back");
    let ahead = START + 24 * 60 * MINUTE;
    assert_eq!(move_to(ahead).await, Some(ahead));
    assert_eq!(move_to(START + MINUTE).await, Some(START + MINUTE));
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
    let state = super::fresh(clock.clone()).await;
    let kept = number(claim_one(&state, claim("kept", START)).await);
    let lost = number(claim_one(&state, claim("lost", START)).await);
    clock.set(START + 6 * MINUTE);
    let taken = number(claim_one(&state, claim("lost", START + 6 * MINUTE)).await);

    let until = START + 14 * MINUTE;
    state.renew(&[("kept".into(), kept), ("lost".into(), lost)], until).await.unwrap();
    clock.set(START + 12 * MINUTE);
    assert_eq!(claim_one(&state, claim("kept", START)).await, Claimed::Busy { until });
    number(claim_one(&state, claim("lost", START + 12 * MINUTE)).await);
    assert!(!state.release("lost", taken, Outcome::Collected).await.unwrap());
}

#[tokio::test]
async fn a_clock_that_was_ahead_does_not_stop_collecting_for_years() {
    let clock = TestClock::at(START + 1_000_000 * MINUTE);
    let state = super::fresh(clock.clone()).await;
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
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(super::CASES)
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

pub(crate) fn object(name: &str, more: &[(&str, &str)]) -> Object {
    let mut tags = BTreeMap::from([("name".to_owned(), name.to_owned())]);
    tags.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    Object { name: name.into(), tags }
}

pub(crate) fn scope(region: &str) -> ObjectScope {
    ObjectScope { account: "aws:AK".into(), class: "aws_ec2".into(), region: region.into() }
}

/// More than one statement writes, some of them named twice.
#[tokio::test]
async fn of_many_objects_each_is_kept_once_as_it_was_named_last() {
    let state = memory().await;
    let many: Vec<_> = (0..450)
        .chain(190..210)
        .enumerate()
        .map(|(place, n)| object(&format!("i-{n:03}"), &[("place", &place.to_string())]))
        .collect();
    state.keep_objects(&scope("r"), &many, START).await.unwrap();
    let kept = state.objects("aws:AK", "aws_ec2", Some("r")).await.unwrap();
    let expected: Vec<_> = (0..450)
        .map(|n| {
            let place = if (190..210).contains(&n) { n - 190 + 450 } else { n };
            ("r".to_owned(), object(&format!("i-{n:03}"), &[("place", &place.to_string())]))
        })
        .collect();
    assert_eq!(kept, expected);
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
    let state = super::fresh(clock.clone()).await;
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

#[tokio::test]
async fn what_scripts_keep_is_changed_in_one_step() {
    let state = memory().await;
    let (soon, later) = (START + MINUTE, START + 2 * MINUTE);
    let old: &[u8] = b"old";
    // A zero byte and what is no UTF-8: a value is bytes.
    let new: &[u8] = b"\0\xff new";
    assert_eq!(state.value("a", START).await.unwrap(), None);
    assert!(state.swap("a", None, None, START).await.unwrap(), "nothing stands there");
    assert!(!state.swap("a", Some(old), Some((new, later)), START).await.unwrap(), "nor does this");
    assert!(state.swap("a", None, Some((old, soon)), START).await.unwrap());
    assert!(!state.swap("a", None, Some((new, later)), START).await.unwrap(), "now something does");
    assert!(!state.swap("a", None, None, START).await.unwrap());
    assert!(!state.swap("a", Some(new), Some((new, later)), START).await.unwrap(), "and it is another");
    assert_eq!(state.value("a", START).await.unwrap(), Some((old.to_vec(), soon)));
    assert!(state.swap("a", Some(old), Some((new, later)), START).await.unwrap());
    assert_eq!(state.value("a", START).await.unwrap(), Some((new.to_vec(), later)));
    assert!(!state.swap("a", Some(old), None, START).await.unwrap());
    assert!(state.swap("a", Some(new), None, START).await.unwrap());
    assert_eq!(state.value("a", START).await.unwrap(), None);

    // What has expired is not there, whoever asks, and makes room.
    assert!(state.swap("b", None, Some((old, soon)), START).await.unwrap());
    assert_eq!(state.value("b", soon - 1).await.unwrap(), Some((old.to_vec(), soon)));
    assert_eq!(state.value("b", soon).await.unwrap(), None);
    assert!(!state.swap("b", Some(old), Some((new, later)), soon).await.unwrap());
    assert!(!state.swap("b", Some(old), None, soon).await.unwrap());
    assert!(state.swap("b", None, Some((new, later)), soon).await.unwrap());
    assert_eq!(state.value("b", soon).await.unwrap(), Some((new.to_vec(), later)));
}

#[tokio::test]
async fn keys_are_found_by_how_they_begin_and_by_nothing_else() {
    let state = memory().await;
    let later = START + MINUTE;
    for key in ["s%one", "s_two", "sXone", "s%", "S%one", "s%\u{e9}", "s%王", "t"] {
        assert!(state.swap(key, None, Some((b"1", later)), START).await.unwrap());
    }
    assert!(state.swap("s%gone", None, Some((b"1", START + 1)), START).await.unwrap());
    assert_eq!(state.keys("s%", START + 1).await.unwrap(), ["s%", "s%one", "s%\u{e9}", "s%王"]);
    assert_eq!(state.keys("s_", START).await.unwrap(), ["s_two"]);
    assert_eq!(state.keys("s%王", START).await.unwrap(), ["s%王"]);
    assert_eq!(state.keys("", later).await.unwrap(), Vec::<String>::new());
    assert_eq!(state.keys("", START).await.unwrap().len(), 9);
}

#[tokio::test]
async fn of_many_who_change_the_same_value_at_once_one_does() {
    let state = Arc::new(memory().await);
    let later = START + MINUTE;
    assert!(state.swap("count", None, Some((b"0", later)), START).await.unwrap());
    let adding = (0..8).map(|_| {
        let state = state.clone();
        tokio::spawn(async move {
            for _ in 0..5 {
                loop {
                    let (known, _) = state.value("count", START).await.unwrap().unwrap();
                    let number: i64 = String::from_utf8(known.clone()).unwrap().parse().unwrap();
                    let next = (number + 1).to_string();
                    if state.swap("count", Some(&known), Some((next.as_bytes(), later)), START).await.unwrap()
                    {
                        break;
                    }
                }
            }
        })
    });
    for one in adding.collect::<Vec<_>>() {
        one.await.unwrap();
    }
    assert_eq!(state.value("count", START).await.unwrap(), Some((b"40".to_vec(), later)));
}
