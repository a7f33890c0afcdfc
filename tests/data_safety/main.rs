//! The user's data is safe: marks over random schedules, killed processes, broken state files, deadlines, and secrets, all from outside.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod canary;
mod canary_service;
mod deadlines;
mod judges;
mod kills;
mod marks;
mod network;
mod state_file;
#[path = "../support/mod.rs"]
mod support;
