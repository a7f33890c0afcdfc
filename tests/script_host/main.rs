//! The script host from outside: whole scripts, with collectors and a backend that are doubles.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, outside of the functions that clippy knows as tests"
)]

mod api;
mod checks;
mod errors;
mod filters;
mod limits;
mod python;
mod scripts;
mod secrets;
mod world;
