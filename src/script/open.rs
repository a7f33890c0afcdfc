//! From a path that somebody typed to an entry script.
//!
//! Owns what is said where there is none: which script is meant, and the line to type.

use super::Settings;
use super::diagnostic::{Diagnostic, Fault, Report, Severity};
use super::library::{self, Library, is_script};
use super::run::Script;
use funchost_collectors::mistake::nearest;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Entries of folders that are looked at for what may be meant.
const MOST: usize = 2_000;

/// Folders below the one that is looked through, as a library has them, in `scripts` or not.
const DEPTH: usize = 3;

/// Scripts that a hint names.
const NAMED: usize = 4;

/// Reads an entry script.
///
/// # Errors
/// The file cannot be read, is no text, or is no script.
pub fn open(path: &Path, settings: &Arc<Settings>) -> Result<Script, Report> {
    let failed = |message: String, hint: String| {
        Report::from(Diagnostic {
            severity: Severity::Error,
            fault: Fault::Input,
            message,
            labels: Vec::new(),
            hint: (!hint.is_empty()).then_some(hint),
            trace: Vec::new(),
        })
    };
    let shown = path.display();
    if path.is_dir() {
        return Err(failed(format!("{shown} is a folder, not a script"), of_folder(path, settings)));
    }
    let file = path.canonicalize().map_err(|error| {
        failed(format!("cannot open the script {shown}: {error}"), other_file(path, settings))
    })?;
    if library::is_definitions(path) {
        return Err(failed(
            format!("{shown} holds definitions for the editor, and nothing to run"),
            "name a script; what ends in .d.rhai is none".into(),
        ));
    }
    if path.extension().is_some_and(|ending| ending == "py") {
        let twin = path.with_extension("rhai");
        let hint = match twin.is_file() {
            true => format!("did you mean {}?", line(settings, &relative(&twin, settings))),
            false => format!(
                "scripts of funchost are Rhai and end in .rhai: docs/from-dataflux-func.md shows what Python looks like there, and `{NEW}` writes a script to begin with"
            ),
        };
        return Err(failed(format!("{shown} is Python"), hint));
    }
    if path.extension().is_some_and(|ending| ending == "toml") {
        let hint = "a script ends in .rhai; a configuration is given by `--config FILE`";
        return Err(failed(format!("{shown} is no script"), hint.into()));
    }
    let source = library::read(&file).map_err(|message| failed(message, String::new()))?;
    let library = Library::around(&file, settings.library.as_deref());
    Ok(Script { settings: settings.clone(), library, source: source.into(), path: path.to_path_buf() })
}

/// What writes a first script.
const NEW: &str = "funchost new NAME --collector …";

/// The scripts below a folder, as they are typed from there, in order.
#[must_use]
pub fn scripts_below(folder: &Path) -> Vec<PathBuf> {
    fn look(folder: &Path, before: &Path, depth: usize, left: &mut usize, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Some(rest) = left.checked_sub(1) else { return };
            *left = rest;
            let (path, name) = (entry.path(), entry.file_name());
            // What is hidden, or made by a build, holds no script of a person.
            let made = ["target", "node_modules"].iter().any(|made| name == *made);
            if made || name.to_string_lossy().starts_with('.') {
                continue;
            }
            if is_script(&path) {
                found.push(before.join(name));
            } else if depth > 1 && path.is_dir() {
                look(&path, &before.join(name), depth - 1, left, found);
            }
        }
    }
    let (mut found, mut left) = (Vec::new(), MOST);
    look(folder, Path::new(""), DEPTH, &mut left, &mut found);
    found.sort();
    found
}

/// A path as it is typed in the current folder.
fn relative(path: &Path, settings: &Settings) -> String {
    let directory = settings.directory.as_deref();
    directory.and_then(|directory| path.strip_prefix(directory).ok()).unwrap_or(path).display().to_string()
}

/// What is to be typed.
fn line(settings: &Settings, script: &str) -> String {
    match settings.command {
        Some(command) => format!("`funchost {command} {script}`"),
        None => format!("`{script}`"),
    }
}

/// Some scripts, as lines to type.
fn lines(settings: &Settings, scripts: &[String]) -> String {
    let more = scripts.len().saturating_sub(NAMED);
    let mut text =
        scripts.iter().take(NAMED).map(|script| line(settings, script)).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// What a folder holds that may be meant.
fn of_folder(folder: &Path, settings: &Settings) -> String {
    let scripts: Vec<String> =
        scripts_below(folder).iter().map(|script| relative(&folder.join(script), settings)).collect();
    match scripts.as_slice() {
        [] => format!("no script lies in it; `{NEW}` writes one"),
        [one] => format!("write {}", line(settings, one)),
        many => format!("name one of its scripts: {}", lines(settings, many)),
    }
}

/// What may be meant by a file that cannot be opened.
fn other_file(path: &Path, settings: &Settings) -> String {
    let folder = path.parent().unwrap_or(Path::new("."));
    let beside: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| file_name(&entry.path()))
        .filter(|name| name.ends_with(".rhai"))
        .collect();
    let wanted = file_name(path);
    let with_end = format!("{wanted}.rhai");
    let near = beside
        .iter()
        .find(|name| **name == with_end)
        .map(String::as_str)
        .or_else(|| nearest(&wanted, beside.iter().map(String::as_str)));
    if let Some(near) = near {
        return format!("did you mean {}?", line(settings, &relative(&path.with_file_name(near), settings)));
    }
    // The id of a function, or of a script: `my_aws__main.run`.
    let (id, function) = wanted.split_once('.').unwrap_or((wanted.as_str(), ""));
    let of_id = id.split_once("__").map(|(set, script)| Path::new(set).join(script).with_extension("rhai"));
    if let Some(file) = of_id.filter(|file| folder.join(file).is_file()) {
        let function = if function.is_empty() { String::new() } else { format!(" --func {function}") };
        let typed = line(settings, &format!("{}{function}", relative(&folder.join(file), settings)));
        return format!("did you mean {typed}? Its id is for `funchost run --remote`");
    }
    let here = settings.directory.as_deref().unwrap_or(Path::new("."));
    let scripts: Vec<String> =
        scripts_below(here).iter().map(|script| script.display().to_string()).collect();
    if scripts.is_empty() {
        return format!("no script lies below the current folder; `{NEW}` writes one");
    }
    let typed = relative(path, settings);
    let near = nearest(&typed, scripts.iter().map(String::as_str));
    // The set, or the script, without its other half: `my_aws.rhai` or `main.rhai` of `my_aws/main.rhai`.
    let halves: Vec<&String> = scripts
        .iter()
        .filter(|script| {
            let script = Path::new(script.as_str());
            let set = script.parent().map(file_name).unwrap_or_default();
            wanted == file_name(script)
                || wanted.strip_suffix(".rhai").unwrap_or(&wanted) == set && !set.is_empty()
        })
        .collect();
    match (near, halves.as_slice()) {
        (Some(near), _) => format!("did you mean {}?", line(settings, near)),
        (None, [one]) => format!("did you mean {}?", line(settings, one)),
        (None, _) => format!("check the path; there are {}", lines(settings, &scripts)),
    }
}

/// A file's own name.
fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
