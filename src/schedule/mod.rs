//! The schedule: what runs by itself.
//!
//! Owns the life of a run from its tick to its record: when a trigger fires (`cron`, `trigger`), who takes the run, how long it is
//! theirs, and what is remembered of it. Knows no SQL (the state keeps runs), no HTTP (the console shows them) and no Rhai
//! (the script room runs them).

pub mod cron;
