//! Each DataKit: does it take points, and is its clock this one's?

use super::Findings;
use crate::config::Config;
use crate::sink::datakit::DataKit;
use funchost_collectors::call::CallPath;
use funchost_collectors::clock::SECOND;

/// A dry write to each of them: nothing is stored.
pub(super) async fn examine(findings: &mut Findings<'_>, config: &Config, calls: &CallPath) {
    for (id, datakit) in &config.datakits {
        let what = format!("DataKit `{id}`");
        match DataKit::new(id, datakit.url.expose(), calls.http_for(datakit.url.expose())) {
            Err(error) => findings.wrong(&what, &error.to_string(), "such as http://localhost:9529"),
            Ok(datakit) => {
                let datakit = datakit.with_clock(findings.surroundings.clock.clone());
                match datakit.check().await {
                    Ok(()) => findings.well(&what, "takes points (a dry write, nothing was stored)"),
                    Err(unfit) => findings.wrong(&what, &unfit.why, &unfit.way_out),
                }
                clock(findings, &what, datakit.ahead());
            }
        }
    }
}

/// How far DataKit's clock is from this one, where that is worth a word.
fn clock(findings: &mut Findings<'_>, what: &str, ahead: Option<i64>) {
    let seconds = ahead.unwrap_or_default() / SECOND;
    let words = format!(
        "this machine is {} s {}; DataKit overwrites times that are more than two hours off",
        seconds.abs(),
        if seconds > 0 { "behind" } else { "ahead" }
    );
    let what = format!("clock against {what}");
    match seconds.abs() {
        0..60 => {}
        60..3600 => findings.doubtful(&what, &words, "set both clocks (NTP)"),
        _ => findings.wrong(&what, &words, "set both clocks (NTP)"),
    }
}
