//! What PostgreSQL's errors mean to the person who runs funchost.

use crate::state::StateError;

/// How much of a foreign text is shown, in characters.
const SHOWN: usize = 300;

/// The error as a sentence about the state at `place`.
pub(super) fn fault(place: &str, error: &sqlx::Error) -> StateError {
    StateError::Unusable(match error {
        sqlx::Error::Database(cause) => {
            let code = cause.code().unwrap_or_default();
            let text = shown(cause.message());
            // Classes of https://www.postgresql.org/docs/current/errcodes-appendix.html
            match code.as_ref() {
                "28P01" | "28000" => format!(
                    "the state {place} refuses the user or the password ({text}): check both in `state`"
                ),
                "3D000" => format!(
                    "the state {place} does not exist ({text}): make it with `createdb`, or name another database in `state`"
                ),
                "42501" => format!(
                    "the state {place} may not be written ({text}): let the user make tables in the database's schema"
                ),
                "53300" => format!(
                    "the state {place} takes no more connections ({text}): raise `max_connections` of the server; a process uses up to 16"
                ),
                "53100" => format!("the server of the state {place} has no space left ({text})"),
                "42P07" => format!(
                    "{place} holds tables of another program under the names that funchost uses ({text}): give funchost a database of its own"
                ),
                "57P01" | "57P02" | "57P03" => {
                    format!("the server of the state {place} is being stopped or started ({text})")
                }
                _ => format!("the state {place} cannot be used ({text}, code {code})"),
            }
        }
        sqlx::Error::PoolTimedOut => {
            format!("the state {place} did not answer within 30 seconds: is the server overloaded, or gone?")
        }
        sqlx::Error::PoolClosed => format!("the state {place} has been closed"),
        sqlx::Error::Io(cause) => format!(
            "the state {place} cannot be reached ({}): check host and port in `state`, and that the server runs",
            shown(&cause.to_string())
        ),
        other => format!("the state {place} cannot be used ({})", shown(&other.to_string())),
    })
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
