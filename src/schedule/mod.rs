//! The schedule: what runs by itself.
//!
//! Owns the life of a run from its tick to its record. Knows no SQL (the state keeps runs), no HTTP (the console shows them) and no
//! Rhai (the script room runs them).
//!
//! - `cron` says when a crontab fires; `trigger` which crontabs there are; `scheduler` asks for the runs of each tick, once, whoever
//!   else does so too.
//! - `library` watches the scripts and publishes what loads; a script that no longer does keeps its last good version.
//! - `engine` takes runs, holds them while they go on, and records how they ended; `log` brings what a script says to its record.
//!
//! The queue is the table of the runs themselves. A run is taken, held, logged, finished and given back under its fence (see
//! [`crate::state::runs`]), in the transaction that also writes what the run has found: a second queue beside it could not be part
//! of that transaction.

pub mod cron;
mod engine;
mod library;
mod log;
mod scheduler;
mod trigger;
pub mod zone;

pub use engine::{ATTEMPTS, Engine, EngineSettings, LARGEST_RESULT, RESULT, Tools, end_of};
pub use library::{Library, Published, PublishedScript};
pub use log::prefix;
pub use scheduler::{LATE, Scheduler, Step};
pub use trigger::{Idle, Trigger, gather};
