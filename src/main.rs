//! The program: everything else is in the library, where tests can reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(funchost::cli::main(&funchost::cli::Surroundings::of_process()))
}
