//! What SQLite's errors mean to the person who runs funchost.
//!
//! Owns the sentences. Each says which file, what is wrong and what to do.

use crate::state::StateError;

/// How much of a foreign text is shown, in characters.
const SHOWN: usize = 300;

/// The error as a sentence about the state at `place`.
pub(super) fn fault(place: &str, error: &sqlx::Error) -> StateError {
    StateError::Unusable(match error {
        sqlx::Error::Database(cause) => database(place, code(error).unwrap_or(0), cause.message()),
        sqlx::Error::PoolTimedOut => format!(
            "the state {place} did not become free within a minute: the disk is too slow, or another process keeps writing to it"
        ),
        sqlx::Error::Decode(cause) | sqlx::Error::ColumnDecode { source: cause, .. } => {
            database(place, CORRUPT, &cause.to_string())
        }
        sqlx::Error::PoolClosed => format!("the state {place} has been closed"),
        other => database(place, 0, &other.to_string()),
    })
}

/// SQLite's primary result code, where the error has one: <https://www.sqlite.org/rescode.html>.
pub(super) fn code(error: &sqlx::Error) -> Option<i64> {
    let extended: i64 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}

const PERMISSION: i64 = 3;
/// Another connection holds the file.
pub(super) const BUSY: i64 = 5;
const LOCKED: i64 = 6;
const READ_ONLY: i64 = 8;
const INPUT_OUTPUT: i64 = 10;
const CORRUPT: i64 = 11;
const FULL: i64 = 13;
const CANNOT_OPEN: i64 = 14;
const NOT_A_DATABASE: i64 = 26;

fn database(place: &str, code: i64, cause: &str) -> String {
    let cause = shown(cause);
    match code {
        BUSY | LOCKED => format!(
            "another process has held the state {place} for more than 10 seconds: wait until it ends, or name another state with --state"
        ),
        PERMISSION | READ_ONLY | CANNOT_OPEN => cannot_write(place, &cause),
        INPUT_OUTPUT => format!(
            "the disk that holds the state {place} cannot be read or written ({cause}): check its free space and its health, or name another state with --state"
        ),
        CORRUPT => format!(
            "the state {place} is damaged ({cause}); it was left as it is: put a copy in its place, or move it away and run again, which starts intervals, marks and kept points anew"
        ),
        FULL => format!(
            "the disk that holds the state {place} is full: free some space, or name another state with --state"
        ),
        NOT_A_DATABASE => not_a_state(place, "it is no SQLite database"),
        _ => format!("the state {place} cannot be used ({cause}): name another state with --state"),
    }
}

/// Folder or file may not be written.
pub(super) fn cannot_write(place: &str, cause: &str) -> String {
    format!(
        "the state {place} cannot be written ({}): make the file and its folder writable for this user, or name another state with --state",
        shown(cause)
    )
}

/// The file is something else.
pub(super) fn not_a_state(place: &str, why: &str) -> String {
    format!(
        "{place} is not a state of funchost: {why}; it was left as it is: move it away, or name another state with --state"
    )
}

/// A foreign text as one line of bounded length.
fn shown(text: &str) -> String {
    let line: String =
        text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
