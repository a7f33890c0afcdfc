//! Where a state is.

use super::{Postgres, Sqlite, StateError, Store};
use funchost_collectors::call::SharedRates;
use funchost_collectors::clock::Clock;
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A PostgreSQL database. Printed, it shows host and name only.
#[derive(Clone)]
pub struct DatabaseUrl {
    whole: SecretString,
    shown: String,
}

impl DatabaseUrl {
    /// From `postgres://user:password@host:port/database?options`.
    ///
    /// # Errors
    /// What is wrong with it, in words that follow "is no URL: "; the text itself is not quoted.
    pub fn new(text: &str) -> Result<Self, String> {
        let url = reqwest::Url::parse(text).map_err(|error| error.to_string())?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err("it does not begin with `postgres://`".into());
        }
        let host = url.host_str().filter(|host| !host.is_empty()).unwrap_or("localhost");
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let shown = format!("postgres://{host}{port}{}", url.path());
        Ok(Self { whole: SecretString::from(text), shown })
    }

    /// All of it: to connect, never to print.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.whole.expose_secret()
    }
}

impl PartialEq for DatabaseUrl {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for DatabaseUrl {}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

/// A state that was opened, and the rates that it shares with other machines.
pub struct Opened {
    /// The state.
    pub store: Arc<dyn Store>,
    /// None where all who use the state are on this machine: each process has its own.
    pub rates: Option<Arc<dyn SharedRates>>,
}

/// Opens the database where one is named, else the file in the folder.
///
/// # Errors
/// See [`Postgres::open`] and [`Sqlite::open`].
pub async fn open(
    folder: &Path,
    database: Option<&DatabaseUrl>,
    clock: Arc<dyn Clock>,
) -> Result<Opened, StateError> {
    match database {
        None => Ok(Opened { store: Arc::new(Sqlite::open(folder, clock).await?), rates: None }),
        Some(url) => {
            let state = Postgres::open(url, clock).await?;
            Ok(Opened { store: Arc::new(state.clone()), rates: Some(Arc::new(state)) })
        }
    }
}
