//! The limiter on a paused clock: what a rate promises, alone and with other machines.

use super::pace::{PUNCTUAL, SLOWEST};
use super::*;

/// The keeper of a rate that machines share, as a database is one: it has a clock of its own, and questions and answers are on the way.
#[derive(Debug)]
struct Double {
    origin: Instant,
    /// Millionths by which its clock is too fast.
    fast: i64,
    next: Mutex<i64>,
    asked: AtomicU32,
    /// How often turns were taken back.
    given_back: AtomicU32,
    fails: AtomicU32,
    /// The shortest and the longest way, milliseconds.
    way: (u64, u64),
    seed: Mutex<u64>,
}

impl Double {
    fn new(way: (u64, u64), seed: u64) -> Arc<Self> {
        Arc::new(Self {
            origin: Instant::now(),
            fast: i64::try_from(seed % 401).unwrap() - 200,
            next: Mutex::new(0),
            asked: AtomicU32::new(0),
            given_back: AtomicU32::new(0),
            fails: AtomicU32::new(0),
            way,
            seed: Mutex::new(seed),
        })
    }

    fn now(&self) -> i64 {
        let passed = nanoseconds(self.origin.elapsed());
        1_764_000_000_000_000_000 + passed + passed / 1_000_000 * self.fast
    }

    fn random(&self, below: u64) -> u64 {
        random(&mut self.seed.lock().unwrap(), below)
    }

    /// Mostly quick, at times as long as it can be.
    async fn on_the_way(&self) {
        let (least, most) = self.way;
        let more = if self.random(4) == 0 { most - least } else { (most - least).min(2) };
        let microseconds = self.random(more * 1000 + 1);
        tokio::time::sleep(Duration::from_millis(least) + Duration::from_micros(microseconds)).await;
    }
}

fn random(seed: &mut u64, below: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % below
}

#[async_trait::async_trait]
impl SharedRates for Double {
    async fn turns(&self, _scope: &str, ask: Ask) -> Result<Turns, String> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.fails.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
            return Err("away".into());
        }
        self.on_the_way().await;
        let now = self.now();
        let (first, end) = {
            let mut next = self.next.lock().unwrap();
            let first = (*next).max(now);
            *next = first + nanoseconds(ask.pause * ask.count + ask.gap);
            (first, *next)
        };
        self.on_the_way().await;
        Ok(Turns { first, now, count: ask.count, end })
    }

    async fn give_back(&self, _scope: &str, end: i64, from: i64) -> Result<bool, String> {
        self.on_the_way().await;
        let taken = {
            let mut next = self.next.lock().unwrap();
            let taken = *next == end;
            *next = if taken { from } else { *next };
            taken
        };
        self.given_back.fetch_add(u32::from(taken), Ordering::Relaxed);
        self.on_the_way().await;
        Ok(taken)
    }
}

/// What is configured for [`scope`].
fn limits(rate: f64) -> BTreeMap<String, f64> {
    [("AWS.s.a".to_owned(), rate)].into()
}

fn scope() -> Scope {
    Scope { cloud: Cloud::Aws, account: "a".into(), region: "r".into(), service: "s", action: "A" }
}

/// No second that can be cut out of these times, nanoseconds, holds more of them.
fn no_second_holds_more(times: &mut [i64], most: usize) {
    times.sort_unstable();
    for second in times.windows(most + 1) {
        let passed = second[most] - second[0];
        assert!(passed >= 1_000_000_000, "{} calls in {passed} ns", most + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn machines_that_share_a_rate_never_go_faster_together() {
    let keeper = Double::new((0, 1), 200);
    keeper.fails.store(3, Ordering::Relaxed);
    let machines: Vec<Limiter> =
        (0..3).map(|_| Limiter::new(BTreeMap::new(), Some(keeper.clone()))).collect();
    let went = Arc::new(Mutex::new(Vec::new()));
    let mut calls = Vec::new();
    for machine in &machines {
        for number in 0..100 {
            let (bucket, went) = (machine.bucket(scope(), 20.0), went.clone());
            calls.push(tokio::spawn(async move {
                let turn = bucket.turn().await;
                went.lock().unwrap().push(Instant::now());
                // One of the machines is throttled for a while.
                if number == 50 {
                    bucket.slow_down(turn);
                } else {
                    bucket.speed_up(turn);
                }
            }));
        }
    }
    for call in calls {
        call.await.unwrap();
    }
    let mut went = went.lock().unwrap().clone();
    went.sort();
    assert_eq!(went.len(), 300);
    for pair in went.windows(2) {
        // tokio's timer counts milliseconds.
        assert!(pair[1] - pair[0] >= Duration::from_millis(40), "{:?}", pair[1] - pair[0]);
    }
    for second in went.windows(21) {
        assert!(second[20] - second[0] >= Duration::from_secs(1), "21 calls in less than a second");
    }
    assert!(keeper.asked.load(Ordering::Relaxed) < 60, "the keeper is not asked for each call");
}

/// One call in fifty seconds, and callers that wait 45 of every 60: what one gave up the next uses.
#[tokio::test(start_paused = true)]
async fn callers_that_give_up_do_not_keep_a_slow_shared_rate_from_all() {
    let keeper = Double::new((0, 1), 200);
    let bucket = Limiter::new(BTreeMap::new(), Some(keeper)).bucket(scope(), 0.02);
    let mut went = 0;
    for _ in 0..20 {
        let given_up = tokio::time::sleep(Duration::from_secs(60));
        went += u32::from(tokio::time::timeout(Duration::from_secs(45), bucket.turn()).await.is_ok());
        given_up.await;
    }
    assert!(went >= 10, "{went} of 20 minutes had a call");
}

/// Turns that passed while nobody waited say nothing of this machine: what it asks for next is asked for without more time behind it.
#[tokio::test(start_paused = true)]
async fn turns_that_nobody_waited_for_make_no_machine_late() {
    let keeper = Double::new((0, 1), 200);
    let bucket = Limiter::new(BTreeMap::new(), Some(keeper)).bucket(scope(), 40.0);
    let waiting: Vec<_> = (0..40)
        .map(|_| {
            let bucket = bucket.clone();
            tokio::spawn(async move { bucket.turn().await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    for task in &waiting {
        task.abort();
    }
    assert!(bucket.lock().given.len() > 10, "some are left");
    tokio::time::sleep(Duration::from_secs(300)).await;
    bucket.turn().await;
    assert_eq!(bucket.lock().late, PUNCTUAL);
}

#[tokio::test(start_paused = true)]
async fn what_machines_share_is_used_however_far_the_keeper_is() {
    // Thirty seconds of forty calls. A hundredth is what lateness costs, and a little what is not known of the keeper's clock.
    for (way, most) in [((0, 1), 31), ((40, 45), 34)] {
        let took = all_of_1200(way).await;
        assert!(took < Duration::from_secs(most), "{way:?}: {took:?}");
    }
}

async fn all_of_1200(way: (u64, u64)) -> Duration {
    let keeper = Double::new(way, 200);
    let machines: Vec<Limiter> =
        (0..3).map(|_| Limiter::new(BTreeMap::new(), Some(keeper.clone()))).collect();
    let began = Instant::now();
    let calls: Vec<_> = (0..1200)
        .map(|number| {
            let bucket = machines[number % 3].bucket(scope(), 40.0);
            tokio::spawn(async move { bucket.turn().await })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    began.elapsed()
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: cases(), failure_persistence: None, ..Default::default() })]

    /// Machines that come and die, calls that come when they like and give up when they like, a keeper that answers when it likes.
    #[test]
    fn a_second_never_holds_more_than_the_rate(
        seed in 0..u64::MAX, rate in 1..60_u32, machines in 1..5_usize, way in 0..400_u64, late in 0..90_u64,
    ) {
        let mut went = on_a_clock(on_time_or_not(crowd(seed, (rate, rate), machines, way), late.saturating_sub(10)));
        no_second_holds_more(&mut went, rate as usize);
    }

    /// The same where each of them reads another rate at some time.
    #[test]
    fn nor_than_the_larger_of_two_rates_of_which_one_follows_the_other(
        seed in 0..u64::MAX, rate in 1..40_u32, then in 1..40_u32, machines in 1..5_usize, way in 0..400_u64, late in 0..90_u64,
    ) {
        let mut went = on_a_clock(on_time_or_not(crowd(seed, (rate, then), machines, way), late.saturating_sub(10)));
        no_second_holds_more(&mut went, rate.max(then) as usize);
    }

    /// Callers that each call again as soon as the call before has ended, on machines of which some die: whoever calls has its turn, however long
    /// a block another was given ahead.
    #[test]
    fn nobody_waits_long_behind_turns_that_were_given_ahead(
        seed in 0..u64::MAX, rate in 2..60_u32, machines in 1..5_usize, way in 0..200_u64, takes in 0..300_u64,
    ) {
        let (mut went, longest) = on_a_clock(callers(seed, rate, machines, way, takes));
        no_second_holds_more(&mut went, rate as usize);
        // Before it stand a second of each other machine's, and what lies behind those; on its own side a few questions.
        let most = Duration::from_millis((machines as u64 + 1) * (1000 + 8 * way + 600));
        proptest::prop_assert!(longest <= most, "{longest:?} > {most:?}");
    }

    /// The same of one machine alone, whose timers are late, and where other rates come.
    #[test]
    fn nor_does_it_in_one_process(seed in 0..u64::MAX, rate in 1..200_u32, then in proptest::collection::vec(1..200_u32, 0..4)) {
        let began = Instant::now();
        let (mut seed, mut now, mut went) = (seed, began, Vec::new());
        let bucket = Bucket::new(f64::from(rate));
        let mut rates = vec![(i64::MIN, rate)];
        let mut waited = false;
        while went.len() < 4 * rate as usize {
            if let Some(then) = then.get(rates.len() - 1).filter(|_| went.len() > rate as usize * rates.len()) {
                bucket.configure(f64::from(*then));
                rates.push((nanoseconds(now - began), *then));
            }
            let gone = bucket.lock().go(now, waited);
            let late = Duration::from_micros(random(&mut seed, if went.len() % 7 == 0 { 40_000 } else { 1500 }));
            waited = match gone {
                Ok(_) => {
                    went.push(nanoseconds(now - began));
                    // There is another waiting, or it comes later.
                    now += if random(&mut seed, 9) == 0 { 10 * late } else { Duration::ZERO };
                    false
                }
                Err(due) => {
                    now = due + late;
                    true
                }
            };
        }
        // No second holds more than the largest rate of those that held in it.
        for (first, from) in went.iter().enumerate() {
            let until = from + 1_000_000_000;
            let held = went[first..].iter().take_while(|time| **time < until).count();
            let most = rates.iter().enumerate().filter(|(place, (since, _))| {
                *since < until && rates.get(place + 1).is_none_or(|(next, _)| next > from)
            });
            let most = most.map(|(_, (_, rate))| *rate as usize).max().unwrap();
            proptest::prop_assert!(held <= most, "{held} calls in a second from {from}: {rates:?}");
        }
    }
}

/// Does it on a clock that stands still while there is something to do.
fn on_a_clock<T>(what: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(what)
}

/// Machines with a caller each that calls again when its call has ended, after so many milliseconds at most: when calls went, and how long one
/// had to wait for its turn at the most. Every machine but the first dies once, in the midst of what it was given.
async fn callers(mut seed: u64, rate: u32, machines: usize, way: u64, takes: u64) -> (Vec<i64>, Duration) {
    let keeper = Double::new((way / 2, way), seed);
    let went = Arc::new(Mutex::new((Vec::new(), Duration::ZERO)));
    let mut lives = Vec::new();
    for machine in 0..machines {
        let (keeper, went, mut seed) = (keeper.clone(), went.clone(), random(&mut seed, u64::MAX >> 31) | 1);
        lives.push(tokio::spawn(async move {
            for life in 0..1 + usize::from(machine > 0) {
                let bucket =
                    Limiter::new(BTreeMap::new(), Some(keeper.clone())).bucket(scope(), f64::from(rate));
                let dies = Duration::from_millis(random(&mut seed, 8000) + 1000);
                let calls = async {
                    for _ in 0..60 {
                        let asked = Instant::now();
                        bucket.turn().await;
                        {
                            let mut went = went.lock().unwrap();
                            went.0.push(keeper.now());
                            went.1 = went.1.max(asked.elapsed());
                        }
                        tokio::time::sleep(Duration::from_millis(random(&mut seed, takes + 1))).await;
                    }
                };
                if machine > 0 && life == 0 {
                    drop(tokio::time::timeout(dies, calls).await);
                } else {
                    calls.await;
                }
            }
        }));
    }
    for life in lives {
        life.await.unwrap();
    }
    let mut went = went.lock().unwrap();
    std::mem::take(&mut *went)
}

/// Does something while time passes in steps of so many milliseconds, so that every timer is late by up to as much; 0: in time.
async fn on_time_or_not<T: Send + 'static>(what: impl Future<Output = T> + Send + 'static, step: u64) -> T {
    let doing = tokio::spawn(what);
    while step > 0 && !doing.is_finished() {
        tokio::time::advance(Duration::from_millis(step)).await;
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    }
    doing.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_is_always_late_has_its_turns_too() {
    // Thirty seconds of forty calls: questions take as long as its timers are late, and some turns are lost; half of them are used.
    let took = on_time_or_not(all_of_1200((0, 1)), 60).await;
    assert!(took < Duration::from_secs(65), "{took:?}");
}

/// Few, where nobody asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48)
}

/// When calls went, on the keeper's clock. At some time of each machine's life its rate becomes another one.
async fn crowd(mut seed: u64, (rate, then): (u32, u32), machines: usize, way: u64) -> Vec<i64> {
    let keeper = Double::new((random(&mut seed, 2) * way / 2, way), seed);
    let went = Arc::new(Mutex::new(Vec::new()));
    let mut lives = Vec::new();
    for _ in 0..machines {
        let (keeper, went, mut seed) = (keeper.clone(), went.clone(), random(&mut seed, u64::MAX >> 31) | 1);
        lives.push(tokio::spawn(async move {
            // One life of a machine after the other.
            for _ in 0..3 {
                let limiter = Arc::new(Limiter::new(BTreeMap::new(), Some(keeper.clone())));
                let (changing, changes) = (limiter.clone(), Duration::from_millis(random(&mut seed, 4000)));
                let changing = tokio::spawn(async move {
                    tokio::time::sleep(changes).await;
                    changing.configure(limits(f64::from(then)));
                });
                let calls: Vec<_> = (0..random(&mut seed, 3 * u64::from(rate)) + 1)
                    .map(|_| {
                        let (bucket, keeper, went) =
                            (limiter.bucket(scope(), f64::from(rate)), keeper.clone(), went.clone());
                        let comes = Duration::from_millis(random(&mut seed, 2000));
                        let (patience, throttled) = (random(&mut seed, 8000), random(&mut seed, 200) == 0);
                        tokio::spawn(async move {
                            tokio::time::sleep(comes).await;
                            let turn =
                                tokio::time::timeout(Duration::from_millis(patience), bucket.turn()).await;
                            let Ok(turn) = turn else { return };
                            went.lock().unwrap().push(keeper.now());
                            if throttled { bucket.slow_down(turn) } else { bucket.speed_up(turn) }
                        })
                    })
                    .collect();
                tokio::time::sleep(Duration::from_millis(random(&mut seed, 6000))).await;
                changing.abort();
                for call in calls {
                    call.abort();
                }
            }
        }));
    }
    for life in lives {
        life.await.unwrap();
    }
    went.lock().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_does_not_make_what_is_known_worse_and_a_clock_that_was_set_is_learnt_anew() {
    let mut clock = KeepersClock::new();
    let began = Instant::now();
    let after = |milliseconds: u64| began + Duration::from_millis(milliseconds);
    let theirs = |milliseconds: i64| 5_000_000_000_000 + milliseconds * 1_000_000;
    // Asked at 0, answered at 4, read at 3.
    clock.learn(after(0), after(4), theirs(3));
    assert_eq!(clock.moment(theirs(100)), after(101), "not before it is so far for sure");
    assert_eq!(clock.width(after(4)), Some(Duration::from_millis(4)));
    // It is read at once, and takes half a second to come.
    clock.learn(after(10), after(510), theirs(10));
    let late = clock.moment(theirs(1000)) - after(1001);
    assert!(late < Duration::from_millis(1), "{late:?}: what two clocks may drift in half a second");
    // Another server answers, an hour behind.
    clock.learn(after(1000), after(1002), theirs(1001) - 3_600_000_000_000);
    assert_eq!(clock.moment(theirs(2000) - 3_600_000_000_000), after(2001));
}

/// Seconds on the paused clock, to the hundredth: tokio's timer rounds up to a millisecond.
fn seconds(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 100.0).round() / 100.0
}

#[tokio::test(start_paused = true)]
async fn calls_are_spaced_by_the_rate_and_the_first_goes_at_once() {
    let bucket = Bucket::new(10.0);
    let began = Instant::now();
    bucket.turn().await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    for _ in 0..10 {
        bucket.turn().await;
    }
    assert!((1.0..1.05).contains(&began.elapsed().as_secs_f64()), "{:?}", began.elapsed());
    // What was not used is not saved up.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let later = Instant::now();
    bucket.turn().await;
    bucket.turn().await;
    assert!((seconds(later) - 0.1).abs() < 0.005, "{}", seconds(later));
}

#[tokio::test(start_paused = true)]
async fn timers_that_are_late_do_not_add_up() {
    // Three calls a second: no millisecond of tokio's timer is a due time.
    let bucket = Bucket::new(3.0);
    let began = Instant::now();
    for _ in 0..=300 {
        bucket.turn().await;
    }
    assert!((100.0..100.01).contains(&began.elapsed().as_secs_f64()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_throttle_halves_once_for_all_calls_under_way_and_success_gives_back() {
    let bucket = Bucket::new(100.0);
    let mut under_way = Vec::new();
    for _ in 0..20 {
        under_way.push(bucket.turn().await);
    }
    for turn in &under_way {
        bucket.slow_down(*turn);
    }
    assert!((bucket.lock().rate() - 50.0).abs() < f64::EPSILON, "twenty answers to one rate are one");
    assert_eq!(bucket.lock().throttled(), 20, "each is counted");
    // A late success of the old rate does not undo it.
    bucket.speed_up(under_way[0]);
    assert!((bucket.lock().rate() - 50.0).abs() < f64::EPSILON);

    let after = bucket.turn().await;
    bucket.slow_down(after);
    assert!((bucket.lock().rate() - 25.0).abs() < f64::EPSILON);
    let mut before = 25.0;
    for _ in 0..15 {
        bucket.speed_up(bucket.turn().await);
        let rate = bucket.lock().rate();
        assert!((rate - before - 5.0).abs() < 1e-9, "a twentieth of the configured rate each");
        before = rate;
    }
    bucket.speed_up(bucket.turn().await);
    assert!((bucket.lock().rate() - 100.0).abs() < f64::EPSILON, "never above what is configured");
    for _ in 0..100 {
        let turn = bucket.turn().await;
        bucket.slow_down(turn);
    }
    assert!((bucket.lock().rate() - SLOWEST).abs() < f64::EPSILON);
}

#[tokio::test(start_paused = true)]
async fn a_rate_configured_below_the_slowest_stays() {
    let bucket = Bucket::new(0.05);
    bucket.slow_down(bucket.turn().await);
    assert!((bucket.lock().rate() - 0.05).abs() < f64::EPSILON);
    let began = Instant::now();
    bucket.turn().await;
    assert!((seconds(began) - 20.0).abs() < 0.01);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_go_in_order_and_by_the_rate_of_the_moment() {
    let bucket = Arc::new(Bucket::new(10.0));
    let first = bucket.turn().await;
    let went = Arc::new(Mutex::new(Vec::new()));
    let waiting: Vec<_> = (0..5)
        .map(|number| {
            let (bucket, went) = (bucket.clone(), went.clone());
            tokio::spawn(async move {
                bucket.turn().await;
                went.lock().unwrap().push((number, Instant::now()));
            })
        })
        .collect();
    // All five stand in line before the rate changes.
    tokio::task::yield_now().await;
    bucket.slow_down(first);
    let began = Instant::now();
    for task in waiting {
        task.await.unwrap();
    }
    let went = went.lock().unwrap();
    assert_eq!(went.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert!((seconds(began) - 1.0).abs() < 0.02, "five calls at five a second: {}", seconds(began));
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_leaves_no_slot_behind() {
    let bucket = Arc::new(Bucket::new(1.0));
    bucket.turn().await;
    let waiting: Vec<_> = (0..100)
        .map(|_| {
            let bucket = bucket.clone();
            tokio::spawn(async move { bucket.turn().await })
        })
        .collect();
    tokio::task::yield_now().await;
    for task in &waiting {
        task.abort();
    }
    let began = Instant::now();
    bucket.turn().await;
    assert!((seconds(began) - 1.0).abs() < 0.01, "{}", seconds(began));
}

#[tokio::test(start_paused = true)]
async fn the_first_in_line_is_woken_when_the_rate_rises() {
    let bucket = Arc::new(Bucket::new(10.0));
    let mut turn = bucket.turn().await;
    for _ in 0..10 {
        bucket.slow_down(turn);
        turn = bucket.turn().await;
    }
    let waits = {
        let bucket = bucket.clone();
        tokio::spawn(async move { bucket.turn().await })
    };
    tokio::task::yield_now().await;
    let began = Instant::now();
    for _ in 0..20 {
        bucket.speed_up(turn);
    }
    waits.await.unwrap();
    assert!((seconds(began) - 0.1).abs() < 0.01, "{}: not the ten seconds of before", seconds(began));
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_rises_wakes_who_waits_for_a_shared_turn() {
    let keeper = Double::new((0, 1), 200);
    let limiter = Limiter::new(BTreeMap::new(), Some(keeper.clone()));
    let bucket = limiter.bucket(scope(), 10.0);
    let mut turn = bucket.turn().await;
    for _ in 0..10 {
        bucket.slow_down(turn);
        turn = bucket.turn().await;
    }
    let waits = {
        let bucket = bucket.clone();
        tokio::spawn(async move { bucket.turn().await })
    };
    tokio::time::sleep(Duration::from_millis(200)).await;
    let began = Instant::now();
    for _ in 0..20 {
        bucket.speed_up(turn);
    }
    waits.await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(200), "{:?}: not ten seconds", began.elapsed());
    assert_eq!(keeper.given_back.load(Ordering::Relaxed), 1);
}

/// Three machines, each of which was given its turn at one call in fifty seconds, and each reads another rate: they make way for each other.
#[tokio::test(start_paused = true)]
async fn another_rate_holds_at_once_in_own_and_in_shared_buckets() {
    for (machines, shared, most) in [(1, false, 1), (1, true, 1), (3, true, 8)] {
        let keeper = Double::new((0, 1), 200);
        let kept = |_: usize| shared.then(|| keeper.clone() as Arc<dyn SharedRates>);
        let limiters: Vec<Limiter> = (0..machines).map(|n| Limiter::new(limits(0.02), kept(n))).collect();
        limiters[0].bucket(scope(), 1.0).turn().await;
        let mut waiting = Vec::new();
        for limiter in &limiters {
            let bucket = limiter.bucket(scope(), 1.0);
            waiting.push(tokio::spawn(async move {
                bucket.turn().await;
                bucket
            }));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let began = Instant::now();
        for limiter in &limiters {
            limiter.configure(limits(10.0));
        }
        for task in waiting {
            let bucket = task.await.unwrap();
            assert!(
                began.elapsed() < Duration::from_secs(most),
                "{machines} {shared}: {:?}",
                began.elapsed()
            );
            // And nothing is left of the old one.
            let later = Instant::now();
            for _ in 0..10 {
                bucket.turn().await;
            }
            assert!(later.elapsed() < Duration::from_secs(3), "{machines} {shared}: {:?}", later.elapsed());
        }
        // Lower, and it holds for who waits already.
        let bucket = limiters[0].bucket(scope(), 1.0);
        let waits = tokio::spawn(async move {
            for _ in 0..3 {
                bucket.turn().await;
            }
        });
        tokio::task::yield_now().await;
        limiters[0].configure(limits(0.5));
        let later = Instant::now();
        waits.await.unwrap();
        assert!(later.elapsed() > Duration::from_secs(3), "{machines} {shared}: {:?}", later.elapsed());
    }
}

/// Where another machine's turns stand behind them, turns stay who has them.
#[tokio::test(start_paused = true)]
async fn turns_with_others_behind_them_are_kept() {
    let keeper = Double::new((0, 1), 200);
    let limiters: Vec<Limiter> =
        (0..2).map(|_| Limiter::new(limits(0.02), Some(keeper.clone() as Arc<dyn SharedRates>))).collect();
    limiters[0].bucket(scope(), 1.0).turn().await;
    let began = Instant::now();
    let mut waiting = Vec::new();
    for limiter in &limiters {
        let bucket = limiter.bucket(scope(), 1.0);
        waiting.push(tokio::spawn(async move { bucket.turn().await }));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    // The other machine stays as slow as it was.
    limiters[0].configure(limits(10.0));
    for (task, due) in waiting.into_iter().zip([50, 101]) {
        task.await.unwrap();
        let passed = began.elapsed().as_secs();
        assert!((due..due + 2).contains(&passed), "{passed} {due}");
    }
    assert_eq!(keeper.given_back.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn what_throttling_taught_holds_on_under_another_rate() {
    let limiter = Limiter::new(limits(40.0), None);
    let bucket = limiter.bucket(scope(), 1.0);
    for _ in 0..3 {
        bucket.slow_down(bucket.turn().await);
    }
    let rate = || bucket.lock().rate();
    assert!((rate() - 5.0).abs() < 1e-9);
    limiter.configure(limits(100.0));
    assert!((rate() - 5.0).abs() < 1e-9, "{}", rate());
    limiter.configure(limits(2.0));
    assert!((rate() - 2.0).abs() < 1e-9, "{}", rate());
    bucket.speed_up(bucket.turn().await);
    limiter.configure(limits(20.0));
    assert!((rate() - 5.0).abs() < 1e-9, "{}", rate());
    for _ in 0..15 {
        bucket.speed_up(bucket.turn().await);
    }
    assert!((rate() - 20.0).abs() < 1e-9, "{}", rate());
    // Where nothing is configured any more, the action's own rate holds.
    limiter.configure(BTreeMap::new());
    assert!((rate() - 1.0).abs() < 1e-9, "{}", rate());
}

/// What one caller has of forty calls a second, with the keeper fifty milliseconds away: calls that take so long each.
#[tokio::test(start_paused = true)]
async fn one_who_calls_again_and_again_is_given_turns_ahead() {
    let mut took = Vec::new();
    for takes in [0, 30, 100, 300] {
        let keeper = Double::new((50, 50), 200);
        let bucket = Limiter::new(BTreeMap::new(), Some(keeper.clone())).bucket(scope(), 40.0);
        let began = Instant::now();
        for _ in 0..100 {
            bucket.turn().await;
            tokio::time::sleep(Duration::from_millis(takes)).await;
        }
        let asked = keeper.asked.load(Ordering::Relaxed);
        took.push((takes, began.elapsed().as_millis() / 100, asked));
    }
    println!("{took:?}");
    let each: Vec<u128> = took.iter().map(|(_, each, _)| *each).collect();
    assert!(each[0] < 45 && each[1] < 80, "{took:?}");
    assert!(took[0].2 < 20, "{took:?}");
}
