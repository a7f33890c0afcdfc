//! funchost: a user's script names collectors; what they find in the clouds becomes points in DataKit.
//!
//! One direction, no way back: script → Runner → collector → call → point → link → outbox → DataKit.

pub mod cli;
pub mod config;
pub mod console;
mod hiding;
pub mod link;
pub mod money;
pub mod plan;
pub mod recording;
pub mod runner;
pub mod schedule;
pub mod script;
pub mod sink;
pub mod state;
pub mod telemetry;
