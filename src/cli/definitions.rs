//! `funchost definitions [DIR]`: what an editor completes from.

use super::Surroundings;
use crate::script;
use clap::Args;
use funchost_collectors::COLLECTORS;
use funchost_collectors::call::number;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct DefinitionsArguments {
    /// The folder for the .d.rhai files; made where it is missing
    #[arg(default_value = "definitions")]
    folder: PathBuf,
}

pub(super) fn main(surroundings: &Surroundings, arguments: &DefinitionsArguments) -> u8 {
    let folder = surroundings.directory.join(&arguments.folder);
    let files = script::definitions(COLLECTORS);
    let written = std::fs::create_dir_all(&folder)
        .and_then(|()| files.iter().try_for_each(|(name, text)| std::fs::write(folder.join(name), text)));
    if let Err(error) = written {
        surroundings.say(&format!("error: {} cannot be written: {error}", folder.display()));
        return 1;
    }
    surroundings.out(&format!(
        "{} in {}: completion for packages, constructors and options in editors that read .d.rhai\n",
        number(files.len() as u64, "file", "files"),
        arguments.folder.display()
    ));
    0
}
