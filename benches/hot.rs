//! What is hot, each beside a baseline that does the least that could be done, in the same run.
//!
//! `cargo bench --bench hot` prints divan's table, then one line for each case: figure, and the ratios to its baselines, from the least of
//! interleaved rounds (another program on the machine only ever adds).

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stdout, reason = "a bench")]

#[path = "hot/cases.rs"]
mod cases;

use cases::{Case, NAMES, Run};
use std::time::{Duration, Instant};

fn main() {
    divan::main();
    // `--list` and filters are divan's alone.
    if std::env::args().skip(1).all(|argument| argument == "--bench") {
        println!();
        for name in NAMES {
            ratios(cases::case(name));
        }
    }
}

#[divan::bench(args = NAMES, max_time = 2)]
fn ours(bencher: divan::Bencher, name: &str) {
    let Case { mut ours, bytes, .. } = cases::case(name);
    bencher.counter(divan::counter::BytesCount::new(bytes)).bench_local(&mut ours);
}

/// One round of about this long for each: short, so that some fall between two interruptions.
const ROUND: Duration = Duration::from_millis(3);
const ROUNDS: usize = 150;

fn ratios(case: Case) {
    let Case { name, bytes, count, what, ours, baselines } = case;
    let mut all: Vec<(&str, Run)> = vec![("ours", ours)];
    all.extend(baselines);
    let mut least = vec![f64::INFINITY; all.len()];
    let mut repeats = vec![1_u32; all.len()];
    for round in 0..=ROUNDS {
        for (index, (_, run)) in all.iter_mut().enumerate() {
            let began = Instant::now();
            for _ in 0..repeats[index] {
                run();
            }
            let once = began.elapsed().as_secs_f64() / f64::from(repeats[index]);
            if round == 0 {
                repeats[index] = (ROUND.as_secs_f64() / once.max(1e-9)).clamp(1.0, 1e6) as u32;
            } else {
                least[index] = least[index].min(once);
            }
        }
    }
    let ours = least[0];
    let mut line = format!(
        "{name}: {} a {what}, {:.0} MB/s of {bytes} bytes",
        duration(ours / count as f64),
        bytes as f64 / ours / 1e6
    );
    for ((baseline, _), least) in all.iter().zip(&least).skip(1) {
        line += &if *least >= ours {
            format!("; {:.1} times as fast as {baseline}", least / ours)
        } else {
            format!("; 1/{:.1} of {baseline}", ours / least)
        };
    }
    println!("{line}");
}

fn duration(seconds: f64) -> String {
    match seconds {
        0.0..1e-6 => format!("{:.0} ns", seconds * 1e9),
        1e-6..1e-3 => format!("{:.2} µs", seconds * 1e6),
        1e-3..1.0 => format!("{:.2} ms", seconds * 1e3),
        _ => format!("{seconds:.2} s"),
    }
}
