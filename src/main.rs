//! The program: everything else is in the library, where tests can reach it.

use funchost::cli::{Surroundings, main as command, start_log};
use std::process::ExitCode;

fn main() -> ExitCode {
    let surroundings = Surroundings::of_process();
    if let Err(message) = start_log(&surroundings) {
        surroundings.say(&message);
        return ExitCode::from(2);
    }
    ExitCode::from(command(&surroundings))
}
