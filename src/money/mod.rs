//! Money: what calls cost, what was called this month, and what a budget still allows.
//!
//! Owns the prices (data, with date and source), the sums over the days that the state counts, and the rules of `[budget]`. Knows no script and makes no call.

pub mod budget;
mod prices;
mod tally;
mod usage;

pub use prices::{Price, Unit, all, cost, grouped, metered, money, of, partition};
pub use tally::Tally;
pub use usage::{counted, day, known_partition, metrics_key, month, note_partition, used};
