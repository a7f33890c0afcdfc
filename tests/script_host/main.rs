//! The script host from outside: whole scripts, with collectors and a backend that are doubles.

mod api;
mod checks;
mod errors;
mod filters;
mod limits;
mod python;
mod scripts;
mod secrets;
mod world;
