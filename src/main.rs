//! The program: everything else is in the library, where tests can reach it.

use funchost::cli::{Surroundings, main as command, mask_panics, start_log};
use std::process::ExitCode;

fn main() -> ExitCode {
    let surroundings = Surroundings::of_process();
    mask_panics(&surroundings);
    if let Err(message) = start_log(&surroundings) {
        surroundings.say(&message);
        return ExitCode::from(2);
    }
    ExitCode::from(command(&surroundings))
}
