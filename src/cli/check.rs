//! `funchost check SCRIPT…`: what can be known without calling a cloud.

use super::{Common, Surroundings, script_settings};
use crate::script::{self, Severity};
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct CheckArguments {
    /// The scripts: files ending in .rhai
    #[arg(required = true)]
    scripts: Vec<PathBuf>,
}

pub(super) fn main(surroundings: &Surroundings, common: &Common, arguments: &CheckArguments) -> u8 {
    let config = match surroundings.config(common) {
        Ok(config) => config,
        Err(error) => {
            surroundings.say(error.to_string().trim_end());
            return 2;
        }
    };
    let (mut errors, mut warnings) = (0, 0);
    for path in &arguments.scripts {
        let checked =
            script::open(&surroundings.directory.join(path), &script_settings(surroundings, &config))
                .map(|opened| script::check(&opened));
        match checked {
            Err(report) => {
                errors += 1;
                surroundings.say(report.render(surroundings.color).trim_end());
            }
            Ok(checked) => {
                for problem in &checked.problems {
                    surroundings.say(problem.render(surroundings.color).trim_end());
                    surroundings.say("");
                }
                let failed =
                    checked.problems.iter().filter(|problem| problem.severity == Severity::Error).count();
                errors += failed;
                warnings += checked.problems.len() - failed;
                for function in &checked.functions {
                    let title: String =
                        function.title.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
                    surroundings.out(&format!("{}  {title}\n", function.id));
                }
            }
        }
    }
    let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    surroundings.say(&format!(
        "{} checked: {}, {}; no cloud was called",
        plural(arguments.scripts.len(), "script"),
        plural(errors, "error"),
        plural(warnings, "warning")
    ));
    if errors > 0 { 2 } else { 0 }
}
