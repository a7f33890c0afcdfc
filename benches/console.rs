//! How long the pages of the console take with 500 functions and 10,000 recorded runs, over SQLite and over PostgreSQL.
//!
//! `cargo bench --bench console`: for each page the least, the median and the slowest of some requests, as a client on this machine sees
//! them, and what publishing and recording took. Fails where the median of a page is above 200 ms: what the page costs, whatever else the
//! machine does.

#![allow(clippy::disallowed_methods, reason = "it waits for another process")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench may panic, and prints"
)]

#[path = "../tests/support/console.rs"]
mod console;
#[path = "../tests/support/postgres.rs"]
mod server;

use funchost::state::{DatabaseUrl, Postgres, Sqlite, Store};
use funchost_collectors::clock::{Clock, SystemClock};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

const FUNCTIONS: usize = 500;
const RUNS: usize = 10_000;
const REQUESTS: usize = 30;
const LONGEST: Duration = Duration::from_millis(200);

#[tokio::main]
async fn main() -> ExitCode {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let folder = tempfile::tempdir().unwrap();
    let server = server::Server::start();
    let url = DatabaseUrl::new(&server.url()).unwrap();
    let states: [(&str, Arc<dyn Store>); 2] = [
        ("SQLite", Arc::new(Sqlite::open(folder.path(), clock.clone()).await.unwrap())),
        ("PostgreSQL", Arc::new(Postgres::open(&url, clock).await.unwrap())),
    ];
    let mut slow = Vec::new();
    for (name, store) in states {
        let library = tempfile::tempdir().unwrap();
        let began = Instant::now();
        let looked = console::over(library.path(), store, FUNCTIONS, RUNS).await;
        println!("{name}: {FUNCTIONS} functions and {RUNS} runs in {:.1} s", began.elapsed().as_secs_f64());
        println!("{:<60} {:>9} {:>9} {:>9} {:>9}", "page", "least", "median", "slowest", "bytes");
        for path in looked.pages() {
            let mut times = Vec::with_capacity(REQUESTS);
            let mut bytes = 0;
            for _ in 0..REQUESTS {
                let began = Instant::now();
                bytes = looked.get(&path).await;
                times.push(began.elapsed());
            }
            times.sort();
            let shown = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
            let [least, median, slowest] = [0, REQUESTS / 2, REQUESTS - 1].map(|at| times[at]);
            println!("{path:<60} {:>9} {:>9} {:>9} {bytes:>9}", shown(least), shown(median), shown(slowest));
            if median > LONGEST {
                slow.push(format!("{path} over {name}: {}", shown(median)));
            }
        }
        println!();
    }
    if slow.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("above {} ms:\n{}", LONGEST.as_millis(), slow.join("\n"));
    ExitCode::FAILURE
}
