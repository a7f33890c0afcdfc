//! The script library as it is published.
//!
//! Owns which version of a script runs: the last one that loaded, with everything that it imported then. A file that is half
//! written, or wrong, changes nothing but what is said about it.

use crate::script::{self, ApiFunction, Script, Settings, Snapshot};
use crate::state::Time;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

/// One script.
#[derive(Clone)]
pub struct PublishedScript {
    /// The version that runs; none where none has ever loaded.
    pub script: Option<Script>,
    /// Its functions.
    pub functions: Vec<ApiFunction>,
    /// Since when this version runs.
    pub since: Time,
    /// What is wrong with the file as it is now, as it is shown to a person.
    pub problem: Option<String>,
    /// Of the sources that run: its own, and what it imports.
    version: u64,
}

/// All of them at one moment.
#[derive(Clone, Default)]
pub struct Published {
    /// By id.
    pub scripts: BTreeMap<String, PublishedScript>,
    /// Files that are no scripts, and why.
    pub problems: Vec<(PathBuf, String)>,
}

impl Published {
    /// Every function that can be run, in order.
    pub fn functions(&self) -> impl Iterator<Item = &ApiFunction> {
        self.scripts.values().flat_map(|script| &script.functions)
    }

    /// A function and its script.
    #[must_use]
    pub fn function(&self, id: &str) -> Option<(&Script, &ApiFunction)> {
        let (script, _) = id.rsplit_once('.')?;
        let published = self.scripts.get(script)?;
        let function = published.functions.iter().find(|function| function.id == id)?;
        Some((published.script.as_ref()?, function))
    }
}

/// What tells a file from what it was: reading all sources every second would be waste.
type Signature = Vec<(PathBuf, Option<SystemTime>, u64)>;

/// Watches a folder.
pub struct Library {
    root: PathBuf,
    settings: RwLock<Arc<Settings>>,
    published: RwLock<Arc<Published>>,
    seen: Mutex<Option<(Signature, Arc<Snapshot>)>>,
}

impl std::fmt::Debug for Library {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Library").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Library {
    /// A library that has published nothing yet.
    #[must_use]
    pub fn new(root: &Path, settings: Arc<Settings>) -> Self {
        Self {
            root: root.to_path_buf(),
            settings: RwLock::new(settings),
            published: RwLock::default(),
            seen: Mutex::default(),
        }
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What is published now.
    #[must_use]
    pub fn published(&self) -> Arc<Published> {
        self.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes other settings over, and publishes everything anew.
    pub fn set(&self, settings: Arc<Settings>, now: Time) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.refresh(now);
    }

    /// Publishes what has changed; says whether anything has. Blocks while scripts are loaded.
    pub fn refresh(&self, now: Time) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let signature = self.signature();
        if seen.as_ref().is_some_and(|(known, _)| *known == signature) {
            return false;
        }
        let (snapshot, problems) = Snapshot::read(&self.root);
        let snapshot = Arc::new(snapshot);
        let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner).clone();
        let before = self.published();
        let mut published = Published { scripts: BTreeMap::new(), problems };
        for (file, why) in &published.problems {
            if !before.problems.iter().any(|known| (&known.0, &known.1) == (file, why)) {
                tracing::warn!(file = %file.display(), why, "not published");
            }
        }
        for id in snapshot.ids() {
            let Some(script) = script::open_in(&snapshot, id, &settings) else { continue };
            let known = before.scripts.get(id);
            let one = match script::list(&script) {
                Ok(functions) => {
                    let version = snapshot.version(id);
                    // One that is as it was runs since then, whatever changed beside it.
                    let same = known.filter(|known| known.script.is_some() && known.version == version);
                    let was_wrong = known.is_some_and(|known| known.problem.is_some());
                    if same.is_none() || was_wrong {
                        let how = if known.is_none_or(|known| known.script.is_none()) {
                            "published"
                        } else if same.is_none() {
                            "published anew"
                        } else {
                            "published again as it was"
                        };
                        tracing::info!(script = id, functions = functions.len(), "{how}");
                    }
                    let since = same.map_or(now, |same| same.since);
                    PublishedScript { script: Some(script), functions, since, problem: None, version }
                }
                Err(report) => {
                    let problem = report.render(false);
                    if known.and_then(|known| known.problem.as_deref()) != Some(problem.as_str()) {
                        if known.is_some_and(|known| known.script.is_some()) {
                            tracing::error!(
                                script = id,
                                problem,
                                "does not load; its last good version stays"
                            );
                        } else {
                            // A good version is kept as long as this process runs, and not beyond.
                            tracing::error!(
                                script = id,
                                problem,
                                "does not load, and no good version of it is known here: none of its functions can run"
                            );
                        }
                    }
                    PublishedScript {
                        script: known.and_then(|known| known.script.clone()),
                        functions: known.map(|known| known.functions.clone()).unwrap_or_default(),
                        since: known.map_or(now, |known| known.since),
                        problem: Some(problem),
                        version: known.map_or(0, |known| known.version),
                    }
                }
            };
            published.scripts.insert(id.to_owned(), one);
        }
        // A file that cannot be read is not gone: what was published of it stays.
        for (file, why) in &published.problems {
            let id = before.scripts.keys().find(|id| {
                id.split_once("__")
                    .is_some_and(|(set, script)| file.ends_with(format!("{set}/{script}.rhai")))
            });
            if let Some((id, known)) = id.and_then(|id| before.scripts.get_key_value(id)) {
                let kept = PublishedScript { problem: Some(why.clone()), ..known.clone() };
                published.scripts.insert(id.clone(), kept);
            }
        }
        for id in before.scripts.keys().filter(|id| !published.scripts.contains_key(*id)) {
            tracing::info!(script = id, "withdrawn: its file is gone");
        }
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(published);
        *seen = Some((signature, snapshot));
        true
    }

    fn signature(&self) -> Signature {
        Snapshot::files(&self.root)
            .into_iter()
            .map(|file| {
                let found = std::fs::metadata(&file).ok();
                let modified = found.as_ref().and_then(|found| found.modified().ok());
                (file, modified, found.map_or(0, |found| found.len()))
            })
            .collect()
    }
}
