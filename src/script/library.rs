//! Scripts by their ids: `<set>__<script>` is the file `<library>/<set>/<script>.rhai`.
//!
//! Owns the names of scripts and the reading of their files. Knows no engine.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The end of a script's file name.
const SUFFIX: &str = "rhai";

/// What an editor completes from ends so, and is no script: `funchost definitions` writes it into the library, too.
const DEFINITIONS: &str = ".d.rhai";

/// Is a file a script, by its name?
#[must_use]
pub fn is_script(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == SUFFIX) && !is_definitions(file)
}

/// Is a file what an editor completes from, by its name?
pub(super) fn is_definitions(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().ends_with(DEFINITIONS))
}

/// Where the scripts of a run are.
#[derive(Debug, Clone)]
pub(super) struct Library {
    /// The folder that holds the sets.
    root: PathBuf,
    /// The entry script's id.
    pub(super) entry: String,
    /// The entry script's own folder, whatever its name: the home of its set.
    folder: PathBuf,
    /// The entry script's file.
    file: PathBuf,
    /// The sources as they were at one moment; none: as they are when they are imported.
    snapshot: Option<Arc<Snapshot>>,
}

/// All scripts of a library as they were at one moment: what was published together runs together.
#[derive(Default)]
pub struct Snapshot {
    root: PathBuf,
    scripts: BTreeMap<String, Arc<str>>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Sources may hold keys.
        formatter.debug_struct("Snapshot").field("scripts", &self.scripts.keys()).finish_non_exhaustive()
    }
}

impl Snapshot {
    /// Reads `<root>/<set>/<script>.rhai`; answers also with the files that are no scripts, and why.
    #[must_use]
    pub fn read(root: &Path) -> (Self, Vec<(PathBuf, String)>) {
        let mut snapshot = Self { root: root.to_path_buf(), scripts: BTreeMap::new() };
        let mut problems = Vec::new();
        for file in Self::files(root) {
            let name =
                |path: Option<&std::ffi::OsStr>| path.unwrap_or_default().to_string_lossy().into_owned();
            let (set, script) = (name(file.parent().and_then(Path::file_name)), name(file.file_stem()));
            if !is_identifier(&set) || !is_identifier(&script) {
                let why = format!(
                    "`{set}/{script}` is no name of a script: letters, digits and single `_` only, so that others can import it"
                );
                problems.push((file, why));
                continue;
            }
            match read(&file) {
                Ok(source) => {
                    snapshot.scripts.insert(format!("{set}__{script}"), source.into());
                }
                Err(why) => problems.push((file, why)),
            }
        }
        (snapshot, problems)
    }

    /// The files that would be read, in order.
    #[must_use]
    pub fn files(root: &Path) -> Vec<PathBuf> {
        let below = |folder: &Path| {
            std::fs::read_dir(folder)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
                .collect::<Vec<_>>()
        };
        let mut files: Vec<PathBuf> = below(root)
            .into_iter()
            .filter(|set| set.is_dir())
            .flat_map(|set| below(&set))
            .filter(|file| is_script(file))
            .collect();
        files.sort();
        files
    }

    /// The ids of all scripts, in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.scripts.keys().map(String::as_str)
    }

    /// A script's source.
    #[must_use]
    pub fn source(&self, id: &str) -> Option<Arc<str>> {
        self.scripts.get(id).cloned()
    }

    /// Changes where a script's source, or one that it imports, changes; within this process only.
    #[must_use]
    pub fn version(&self, id: &str) -> u64 {
        let mut ids = vec![id.to_owned()];
        let mut hasher = DefaultHasher::new();
        let mut next = 0;
        while let Some(id) = ids.get(next).cloned() {
            next += 1;
            let source = self.scripts.get(&id);
            (&id, source).hash(&mut hasher);
            for import in source.iter().flat_map(|source| imports(source)) {
                let import = match (import.strip_prefix("__"), id.split_once("__")) {
                    (Some(script), Some((set, _))) => format!("{set}__{script}"),
                    _ => import.to_owned(),
                };
                if !ids.contains(&import) {
                    ids.push(import);
                }
            }
        }
        hasher.finish()
    }

    /// A script's file.
    #[must_use]
    pub fn file(&self, id: &str) -> Option<PathBuf> {
        let (set, script) = id.split_once("__")?;
        self.scripts.contains_key(id).then(|| self.root.join(set).join(script).with_extension(SUFFIX))
    }
}

/// The ids that a source imports, as they are written. One in a comment is one too many, and harms nobody.
fn imports(source: &str) -> impl Iterator<Item = &str> {
    source.split("import").skip(1).filter_map(|rest| {
        let rest = rest.trim_start();
        let quote = rest.chars().next().filter(|first| matches!(first, '"' | '`'))?;
        rest[1..].split_once(quote).map(|(id, _)| id)
    })
}

impl Library {
    /// The library around an entry script: the configured folder, else the one above the script's.
    pub(super) fn around(file: &Path, root: Option<&Path>) -> Self {
        let name = |path: Option<&std::ffi::OsStr>| identifier(&path.unwrap_or_default().to_string_lossy());
        let folder = file.parent().unwrap_or(Path::new(".")).to_path_buf();
        let set = name(folder.file_name()).replace("__", "_");
        let entry = format!("{set}__{}", name(file.file_stem()));
        let root = root.map_or_else(|| folder.parent().unwrap_or(&folder).to_path_buf(), Path::to_path_buf);
        Self { root, entry, folder, file: file.to_path_buf(), snapshot: None }
    }

    /// The library around a script of a snapshot.
    pub(super) fn of_snapshot(snapshot: &Arc<Snapshot>, file: &Path) -> Self {
        Self { snapshot: Some(snapshot.clone()), ..Self::around(file, Some(&snapshot.root)) }
    }

    /// The set of the entry script.
    pub(super) fn entry_set(&self) -> &str {
        self.entry.split_once("__").map_or(self.entry.as_str(), |(set, _)| set)
    }

    /// What an import means in a script: `__util` is `util` of the same set.
    pub(super) fn resolve(&self, importer: &str, written: &str) -> String {
        match written.strip_prefix("__") {
            Some(script) => {
                let set = importer.split_once("__").map_or(self.entry_set(), |(set, _)| set);
                format!("{set}__{script}")
            }
            None => written.to_owned(),
        }
    }

    /// The files in which a script may be, the first that exists counts. None where the id is none.
    pub(super) fn files(&self, id: &str) -> Vec<PathBuf> {
        let Some((set, script)) = id.split_once("__") else { return Vec::new() };
        if !is_identifier(set) || !is_identifier(script) {
            return Vec::new();
        }
        let mut files = Vec::new();
        if set == self.entry_set() {
            files.push(self.folder.join(script).with_extension(SUFFIX));
        }
        let file = self.root.join(set).join(script).with_extension(SUFFIX);
        if !files.contains(&file) {
            files.push(file);
        }
        files
    }

    /// The source of a script, if there is one.
    ///
    /// # Errors
    /// Why its file could not be read; that there is none is no error.
    pub(super) fn read(&self, id: &str) -> Result<Option<String>, String> {
        if let Some(snapshot) = &self.snapshot {
            return Ok(snapshot.source(id).map(|source| source.to_string()));
        }
        for file in self.files(id) {
            if file.is_file() {
                return read(&file).map(Some);
            }
        }
        Ok(None)
    }

    /// How messages call a script's file.
    pub(super) fn display(&self, id: &str) -> String {
        if id == self.entry {
            let names: Vec<_> = self.file.components().rev().take(2).map(|part| part.as_os_str()).collect();
            return names.iter().rev().map(|name| name.to_string_lossy()).collect::<Vec<_>>().join("/");
        }
        format!("{}.{SUFFIX}", id.replacen("__", "/", 1))
    }

    /// The ids of every script, for "did you mean".
    pub(super) fn ids(&self) -> Vec<String> {
        let mut ids = Vec::new();
        let mut of_set = |set: &str, folder: &Path| {
            for file in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = file.path();
                if is_script(&path) {
                    let script = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                    ids.push(format!("{set}__{script}"));
                }
            }
        };
        of_set(self.entry_set(), &self.folder);
        for folder in std::fs::read_dir(&self.root).into_iter().flatten().flatten() {
            of_set(&folder.file_name().to_string_lossy(), &folder.path());
        }
        ids.sort();
        ids.dedup();
        ids
    }
}

/// A file's text.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn read(file: &Path) -> Result<String, String> {
    let bytes = std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("{} is not UTF-8 text: line {line} cannot be read", file.display())
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// A name of a set or a script that others can import.
fn is_identifier(name: &str) -> bool {
    !name.is_empty() && !name.contains("__") && identifier(name) == name
}

/// A name with `_` for every character that an identifier cannot hold.
pub(super) fn identifier(name: &str) -> String {
    let mut identifier: String =
        name.chars().map(|c| if c.is_alphanumeric() || c == '_' { c } else { '_' }).collect();
    if identifier.is_empty() || identifier.starts_with(|c: char| c.is_numeric()) {
        identifier.insert(0, '_');
    }
    identifier
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_name_becomes_an_identifier_and_stays_one(name in ".{0,20}") {
            let once = identifier(&name);
            prop_assert!(!once.is_empty());
            prop_assert_eq!(identifier(&once), once);
        }
    }

    #[test]
    fn ids_come_from_folder_and_file() {
        let id = |path: &str| Library::around(Path::new(path), None).entry;
        assert_eq!(id("/scripts/my_aws/main.rhai"), "my_aws__main");
        assert_eq!(id("/tmp/my aws-2/main v1.rhai"), "my_aws_2__main_v1");
        assert_eq!(id("/tmp/a__b/main.rhai"), "a_b__main");
        assert_eq!(id("/2024/main.rhai"), "_2024__main");
    }

    #[test]
    fn an_import_of_the_same_set_stays_in_its_folder() {
        let library = Library::around(Path::new("/lib/my aws/main.rhai"), None);
        let id = library.resolve("my_aws__main", "__util");
        assert_eq!(id, "my_aws__util");
        assert_eq!(library.files(&id)[0], Path::new("/lib/my aws/util.rhai"));
        assert_eq!(library.resolve("other__x", "__util"), "other__util");
        assert!(library.files("../etc__passwd").is_empty());
        assert!(library.files("a__b__c").is_empty());
    }
}
