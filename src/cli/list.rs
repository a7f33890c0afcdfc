//! `funchost list [SCRIPT…]`: the functions that can be run.

use super::table::Table;
use super::{Common, Surroundings, script_settings};
use crate::script;
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(super) struct ListArguments {
    /// The scripts; without any, all of the library: `scripts` in funchost.toml, else the folder `scripts`, else the current folder
    scripts: Vec<PathBuf>,
}

pub(super) fn main(surroundings: &Surroundings, common: &Common, arguments: &ListArguments) -> u8 {
    let config = match surroundings.config(common) {
        Ok(config) => config,
        Err(error) => {
            surroundings.say(error.to_string().trim_end());
            return 2;
        }
    };
    let library = super::library(surroundings, &config);
    let paths = if arguments.scripts.is_empty() {
        match scripts_of(&library) {
            Ok(paths) => paths,
            Err(error) => {
                surroundings.say(&format!(
                    "error: the script library {} cannot be read: {error}\nhint: `funchost new NAME --collector …` writes a first script; where scripts lie elsewhere, name them, or set `scripts` in funchost.toml",
                    library.display()
                ));
                return 2;
            }
        }
    } else {
        arguments.scripts.iter().map(|path| surroundings.directory.join(path)).collect()
    };
    let mut failed = false;
    let mut table = Table::new(&["function", "title", "timeout", "cron", "script"]);
    let mut count = 0;
    for path in paths {
        let listed = script::open(&path, &script_settings(surroundings, &config))
            .and_then(|opened| script::list(&opened));
        match listed {
            Err(report) => {
                failed = true;
                surroundings.say(report.render(surroundings.color).trim_end());
            }
            Ok(functions) => {
                for function in functions {
                    count += 1;
                    table.row(vec![
                        function.id,
                        function.title,
                        format!("{} s", function.options.timeout.unwrap_or(300)),
                        function.options.fixed_crontab.unwrap_or_default(),
                        path.strip_prefix(&surroundings.directory).unwrap_or(&path).display().to_string(),
                    ]);
                }
            }
        }
    }
    if count > 0 {
        surroundings.out(&table.to_string());
    } else if !failed {
        surroundings.say("no function is registered: put `@DFF.API(\"title\")` above one");
    }
    if failed { 2 } else { 0 }
}

/// `<library>/<set>/<script>.rhai`, sorted. Folders that cannot be read hold none.
pub(super) fn scripts_of(library: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut scripts = Vec::new();
    for set in std::fs::read_dir(library)? {
        let set = set?.path();
        if set.is_dir() {
            let files = std::fs::read_dir(set).into_iter().flatten().flatten().map(|entry| entry.path());
            scripts.extend(files.filter(|file| script::is_script(file)));
        }
    }
    scripts.sort();
    Ok(scripts)
}
