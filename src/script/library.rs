//! Scripts by their ids: `<set>__<script>` is the file `<library>/<set>/<script>.rhai`.
//!
//! Owns the names of scripts and the reading of their files. Knows no engine.

use std::path::{Path, PathBuf};

/// The end of a script's file name.
const SUFFIX: &str = "rhai";

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
}

impl Library {
    /// The library around an entry script: the configured folder, else the one above the script's.
    pub(super) fn around(file: &Path, root: Option<&Path>) -> Self {
        let name = |path: Option<&std::ffi::OsStr>| identifier(&path.unwrap_or_default().to_string_lossy());
        let folder = file.parent().unwrap_or(Path::new(".")).to_path_buf();
        let set = name(folder.file_name()).replace("__", "_");
        let entry = format!("{set}__{}", name(file.file_stem()));
        let root = root.map_or_else(|| folder.parent().unwrap_or(&folder).to_path_buf(), Path::to_path_buf);
        Self { root, entry, folder, file: file.to_path_buf() }
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
                if path.extension().is_some_and(|extension| extension == SUFFIX) {
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
