//! How fast one bucket goes: what is configured, what throttle answers taught, which turns it was given.
//!
//! Knows what time it is only when told, and waits for nothing.

use super::keeper::{Ask, Turns};
use super::{Given, SECOND, Turn};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// No throttle answer makes a bucket slower than this: one call in ten seconds.
pub(super) const SLOWEST: f64 = 0.1;

/// A success gives back this share of the configured rate.
const RECOVERY: f64 = 0.05;

/// However small a rate is, nobody waits longer than this for the next call.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// Calls that a bucket remembers at most: above so many a second, timers are coarser than the calls are apart.
const MOST_REMEMBERED: usize = 1000;

/// No more turns than this are taken from the other machines at once.
const MOST_TURNS: u32 = 50;

/// A turn that was given can be used so late, for timers are.
pub(super) const PUNCTUAL: Duration = Duration::from_millis(8);

/// And so late on a machine that is so busy that it would come too late for every one otherwise: what that is more than [`PUNCTUAL`] then
/// belongs to nobody.
const LATEST: Duration = Duration::from_millis(250);

/// So much longer is the second by which turns are apart: lateness takes nothing away from a whole one then, nor what two clocks drift
/// apart while a turn is waited for.
const SPARE: Duration = Duration::from_millis(10);

/// Turns are given back where the last of them comes so much sooner for it.
const WORTH_GIVING_BACK: Duration = Duration::from_millis(250);

/// How long to wait before turns are offered again that stand in no other's way then.
const OFFER_AGAIN: Duration = Duration::from_secs(1);

/// So long after another rate was configured, machines whose turns stand behind those of the old rate make way for them to be given back.
const RISING: Duration = Duration::from_secs(30);

/// Turns stand so far ahead then, or several pauses: no machines that are merely many.
const FAR: (Duration, u32) = (Duration::from_secs(5), 5);

/// Questions of a caller that comes back at once, before it is given turns ahead.
const REPEATED: u32 = 3;

/// Turns ahead take so many times what is nobody's behind them.
const WORTH_ASKING: u32 = 4;

/// Turns that were given at once.
#[derive(Clone, Copy, Debug)]
struct Block {
    ask: Ask,
    /// How many were used.
    used: u32,
    /// When they were offered to the keeper, who did not take them back.
    offered: Option<Instant>,
}

/// Time of the keeper's clock that is all ours: of one block, or of several that followed each other with nobody between.
#[derive(Clone, Copy, Debug)]
struct Ours {
    first: i64,
    end: i64,
    /// The last turn that was used in it, and the time that belongs to nobody behind it.
    last: Option<(i64, Duration)>,
}

/// What is given back, of turns that end at `end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    pub(super) from: i64,
    pub(super) end: i64,
    /// Before these are turns of others, and others may want to give theirs back: they have so long for it.
    pub(super) pause: Option<Duration>,
}

/// See [`Pace::take_out`].
#[derive(Debug)]
pub(super) struct TakenOut {
    block: Option<Block>,
    ours: Option<Ours>,
    given: VecDeque<Given>,
}

#[derive(Debug)]
pub(super) struct Pace {
    /// Turns that were given and not used yet, all of one block.
    pub(super) given: VecDeque<Given>,
    block: Option<Block>,
    ours: Option<Ours>,
    /// How often in a row a question came from one who had just called.
    repeated: u32,
    /// How late this machine may be for those that it asks for next.
    pub(super) late: Duration,
    configured: f64,
    /// What throttle answers leave of any rate; nothing holds it down where it is infinite.
    bearable: f64,
    /// When the last call went.
    last: Option<Instant>,
    /// When the last calls went, as many as a second may hold.
    recent: VecDeque<Instant>,
    /// When the rate was halved last.
    slowed: Option<Instant>,
    throttled: u64,
    /// When a higher rate was configured last.
    risen: Option<Instant>,
}

impl Pace {
    pub(super) fn new(configured: f64) -> Self {
        Self {
            given: VecDeque::new(),
            block: None,
            ours: None,
            repeated: 0,
            late: PUNCTUAL,
            configured,
            bearable: f64::INFINITY,
            last: None,
            recent: VecDeque::new(),
            slowed: None,
            throttled: 0,
            risen: None,
        }
    }

    /// Calls a second now.
    pub(super) fn rate(&self) -> f64 {
        self.configured.min(self.bearable)
    }

    pub(super) fn configured(&self) -> f64 {
        self.configured
    }

    pub(super) fn throttled(&self) -> u64 {
        self.throttled
    }

    /// Another rate is configured. What throttle answers taught holds on. Says whether it goes faster now.
    pub(super) fn configure(&mut self, rate: f64, now: Instant) -> bool {
        let before = self.rate();
        self.configured = rate;
        let rises = self.rate() > before;
        if rises {
            self.risen = Some(now);
        }
        rises
    }

    /// See [`Bucket::slow_down`](super::Bucket::slow_down).
    pub(super) fn slow_down(&mut self, turn: Turn, now: Instant) {
        self.throttled += 1;
        if self.slowed.is_none_or(|slowed| turn.0 > slowed) {
            self.bearable = (self.rate() / 2.0).max(SLOWEST.min(self.configured));
            self.slowed = Some(now);
        }
    }

    /// A call succeeded. Says whether it goes faster now.
    pub(super) fn speed_up(&mut self, turn: Turn) -> bool {
        let rises = self.bearable < self.configured && self.slowed.is_none_or(|slowed| turn.0 > slowed);
        if rises {
            self.bearable += self.configured * RECOVERY;
            if self.bearable >= self.configured {
                self.bearable = f64::INFINITY;
            }
        }
        rises
    }

    /// Between two calls: rounded up, or three thirds of a second would be less than one.
    fn pause(&self) -> Duration {
        Self::apart(SECOND, self.rate())
    }

    /// Between two turns of a shared rate.
    fn shared_pause(&self) -> Duration {
        Self::apart(SECOND + SPARE, self.rate())
    }

    fn apart(second: Duration, rate: f64) -> Duration {
        let nanoseconds =
            (second.as_secs_f64() * 1e9 / rate).ceil().clamp(1.0, LONGEST_WAIT.as_secs_f64() * 1e9);
        Duration::from_nanos(nanoseconds as u64)
    }

    /// Calls that a second may hold.
    fn in_a_second(&self) -> usize {
        self.rate().ceil().clamp(1.0, MOST_REMEMBERED as f64 + 1.0) as usize
    }

    /// Lets a call go, or says when it may. One that has waited for its time and woke a little late counts from that time: timers are
    /// late by a millisecond and more, which would add up over a thousand calls.
    pub(super) fn go(&mut self, now: Instant, waited: bool) -> Result<Turn, Instant> {
        let pause = self.pause();
        let due = self.last.map(|last| last + pause);
        let most = self.in_a_second();
        // Of those that a second may hold the oldest is to be out of it.
        let room = self.recent.len().checked_sub(most).and_then(|oldest| self.recent.get(oldest));
        let earliest = due.max(room.map(|oldest| *oldest + SECOND));
        if let Some(earliest) = earliest.filter(|earliest| *earliest > now) {
            return Err(earliest);
        }
        let in_time = due.filter(|due| waited && now.duration_since(*due) < pause);
        self.last = Some(in_time.unwrap_or(now));
        if most <= MOST_REMEMBERED {
            self.recent.push_back(now);
            let kept = (self.configured.ceil() as usize).clamp(1, MOST_REMEMBERED);
            self.recent.drain(..self.recent.len().saturating_sub(kept));
        }
        Ok(Turn(now))
    }

    /// Lets a call go in a turn that was given. Not where it was held up: that moment is over, and this one may be another machine's; and
    /// not where the rate has been lowered since: the moment comes too early then.
    pub(super) fn go_in(&mut self, given: Given, now: Instant) -> Option<Turn> {
        let due = self.last.map(|last| last + self.pause());
        if !self.is_in_time(given, now) || due.is_some_and(|due| due > given.at + PUNCTUAL) {
            return None;
        }
        if now + self.late / 2 < given.latest {
            self.late = (self.late - self.late / 16).max(PUNCTUAL);
        }
        self.last = Some(given.at);
        if let Some(block) = &mut self.block {
            block.used += 1;
            let gap = block.ask.gap;
            self.ours = self.ours.map(|ours| Ours { last: Some((given.turn, gap)), ..ours });
        }
        Some(Turn(now))
    }

    /// Can a turn still be used? Where it cannot, the next ones are asked for with more time.
    fn is_in_time(&mut self, given: Given, now: Instant) -> bool {
        let in_time = now <= given.latest;
        if !in_time {
            self.late = (2 * self.late).min(LATEST);
        }
        in_time
    }

    /// The next turn that was given and can still be used, for a caller that stands in line `since` then; it stays the first of them.
    pub(super) fn next(&mut self, since: Instant, now: Instant) -> Option<Given> {
        while let Some(given) = self.given.front().copied() {
            // One that passed before anybody waited for it says nothing of how late this machine is.
            let in_time = if since <= given.at { self.is_in_time(given, now) } else { now <= given.latest };
            if in_time {
                return Some(given);
            }
            self.given.pop_front();
        }
        None
    }

    /// What to ask for, where so many wait and the keeper's clock is known to so much; none: not at all.
    pub(super) fn ask(&mut self, now: Instant, waiting: u32, known: Option<Duration>) -> Ask {
        let pause = self.shared_pause();
        let in_a_second = SECOND.as_nanos() / pause.as_nanos().max(1);
        let most = u32::try_from(in_a_second).unwrap_or(MOST_TURNS).clamp(1, MOST_TURNS);
        // The first question is for the time: turns that cannot be used are nobody's.
        let most = if known.is_some() { most } else { 1 };
        let gap = known.unwrap_or(SPARE) + self.late.saturating_sub(PUNCTUAL);
        let count = waiting.max(self.ahead(now, pause, gap)).clamp(1, most);
        Ask { count, pause, gap }
    }

    /// What [`Self::ask`] says of a clock that is not known.
    pub(super) fn unsure(known: Option<Duration>) -> Duration {
        known.unwrap_or(SPARE)
    }

    /// How many turns to ask for on behalf of one who calls again as soon as the call before has ended.
    ///
    /// A question takes the time behind its turns from all machines. Several turns for one question take less of it for each call, as long as so
    /// many of them are used that the rest, which pass unused, cost less than the questions would.
    fn ahead(&mut self, now: Instant, pause: Duration, gap: Duration) -> u32 {
        if let Some(block) = self.block.take() {
            let single = block.ask.pause + block.ask.gap;
            let all = block.ask.pause.saturating_mul(block.ask.count) + block.ask.gap;
            let came_back = self.last.map(|last| now.saturating_duration_since(last) + pause);
            let soon = came_back.is_some_and(|time| time <= single / 5 * 4);
            let repeats = soon && all <= single.saturating_mul(block.used);
            self.repeated = if repeats { (self.repeated + 1).min(REPEATED) } else { 0 };
        }
        if self.repeated < REPEATED {
            return 1;
        }
        let worth = gap.saturating_mul(WORTH_ASKING).as_nanos().div_ceil(pause.as_nanos().max(1));
        u32::try_from(worth).unwrap_or(MOST_TURNS)
    }

    /// Turns were given: when they are on this machine's clock says `moment`.
    pub(super) fn given(&mut self, ask: Ask, turns: &Turns, moment: impl Fn(i64) -> Instant) {
        let apart = super::nanoseconds(ask.pause);
        let late = self.late;
        self.given.extend((0..turns.count).map(|number| {
            let turn = turns.first.saturating_add(apart.saturating_mul(i64::from(number)));
            let at = moment(turn);
            Given { at, latest: at + late, turn }
        }));
        self.block = Some(Block { ask: Ask { count: turns.count, ..ask }, used: 0, offered: None });
        let before = self.ours.filter(|ours| ours.end == turns.first);
        self.ours = Some(Ours {
            end: turns.end,
            ..before.unwrap_or(Ours { first: turns.first, end: 0, last: None })
        });
    }

    /// Do the turns that were given come later than they need, at the rate that holds now? What to offer the keeper, then.
    pub(super) fn offer(&self, now: Instant) -> Option<Offer> {
        let block = self.sooner(now)?;
        if block.offered.is_some_and(|offered| now < offered + OFFER_AGAIN) {
            return None;
        }
        let ours = self.ours?;
        // As if no more had been asked for than was used, and at this pace.
        let behind =
            |(last, gap): (i64, Duration)| last.saturating_add(super::nanoseconds(self.shared_pause() + gap));
        let from = ours.last.map_or(ours.first, behind).min(ours.end);
        Some(Offer { from, end: ours.end, pause: ours.last.is_none().then_some(OFFER_AGAIN * 3 / 2) })
    }

    /// The turns that were given, where there would be others sooner.
    fn sooner(&self, now: Instant) -> Option<&Block> {
        let (block, last) = (self.block.as_ref()?, self.given.back()?);
        let pause = self.shared_pause();
        let next = self.last.map_or(now, |last| now.max(last + pause));
        let others = next + pause.saturating_mul(u32::try_from(self.given.len()).unwrap_or(MOST_TURNS) - 1);
        let slower = pause < block.ask.pause && last.at > others + WORTH_GIVING_BACK;
        let rising = self.risen.is_some_and(|risen| now < risen + RISING);
        let behind_others = rising && last.at > others + FAR.0.max(pause.saturating_mul(FAR.1));
        (slower || behind_others).then_some(block)
    }

    /// When to offer them again.
    pub(super) fn offers_again(&self, now: Instant) -> Option<Instant> {
        Some(self.sooner(now)?.offered? + OFFER_AGAIN)
    }

    /// Takes out what is offered to the keeper: nobody uses it until it is known whose it is.
    pub(super) fn take_out(&mut self) -> TakenOut {
        TakenOut { block: self.block.take(), ours: self.ours.take(), given: std::mem::take(&mut self.given) }
    }

    /// It is the keeper's again. What goes on from there goes on where we have stopped.
    pub(super) fn gave_back(&mut self, out: &TakenOut, from: i64) {
        self.ours = out.ours.map(|ours| Ours { end: from, ..ours });
    }

    /// It stays ours, for there are others behind it.
    pub(super) fn put_back(&mut self, out: TakenOut, now: Instant) {
        self.block = out.block.map(|block| Block { offered: Some(now), ..block });
        self.ours = out.ours;
        self.given = out.given;
    }
}
