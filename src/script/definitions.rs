//! What editors complete from: `.d.rhai` files of the packages, of the host's own functions, and of the language's.
//!
//! Owns the texts about the host's functions; a test holds them against the engine. Packages come from the registry, the language from
//! an engine of its own, which has nothing but the language.

use super::clients;
#[cfg(test)]
use super::{dff, packages};
use funchost_collectors::collector::{Collector, Description};
use funchost_collectors::point::Category;
use rhai::Engine;
use std::fmt::Write as _;

/// The host's own functions, by hand: Rhai knows neither names nor meanings of a closure's parameters.
const HOST: &str = include_str!("definitions/funchost.d.rhai");

/// The package of the Runner.
const RUNNER: &str = include_str!("definitions/integration.d.rhai");

/// The files: names and contents.
#[must_use]
pub fn definitions(packages: &[&'static dyn Collector]) -> Vec<(String, String)> {
    let language = Engine::new();
    let mut files: Vec<(String, String)> = language.definitions().iter_files().collect();
    files.push(("funchost.d.rhai".into(), HOST.into()));
    files.push(("integration.d.rhai".into(), RUNNER.into()));
    for (id, cloud) in clients::ids() {
        files.push((format!("{}.d.rhai", cloud.key()), client(id, cloud.key())));
    }
    for collector in packages {
        let description = collector.description();
        files.push((format!("{}.d.rhai", description.name), package(description)));
    }
    files.sort();
    files
}

fn client(id: &str, name: &str) -> String {
    format!(
        "module {name};\n\n\
         /// `import \"{id}\" as {name};`\n///\n\
         /// A client with these keys. Its calls are signed, paced, retried and counted like a collector's, and are made from a collector's function.\n\
         fn client(account: Map) -> Client;\n"
    )
}

/// A collector's package.
fn package(description: &Description) -> String {
    let mut about = String::new();
    let Description { package, name, title, title_zh, measurement, .. } = description;
    let _ =
        writeln!(about, "/// {title} ({title_zh})\n///\n/// `import \"{package}__main\" as {name};`\n///");
    let kind = match description.category {
        Category::Metric => "metrics",
        Category::CustomObject => "objects",
    };
    let _ = writeln!(
        about,
        "/// Reports {kind} in the measurement `{measurement}`, at most every {}.\n///\n/// `configs`:",
        match description.interval.as_secs() / 60 {
            1 => "minute".to_owned(),
            minutes => format!("{minutes} minutes"),
        }
    );
    for key in description.configuration {
        let required = if key.required { ", required" } else { "" };
        let _ = writeln!(about, "/// - `{}` ({}{required}): {}", key.name, key.kind, key.meaning);
    }
    let mut text =
        format!("module {name};\n\n{about}fn DataCollector(account: Map, configs: Map) -> Collector;\n");
    if description.category == Category::CustomObject {
        let _ = write!(
            text,
            "\n{about}///\n/// `options`: `filters`, a list of functions: an object is kept where all of them say `true`.\n\
             fn DataCollector(account: Map, configs: Map, options: Map) -> Collector;\n"
        );
    }
    text
}

/// What a definition must name: the members of `DFF`, of its toolkit, and the options of a Runner.
#[cfg(test)]
fn words() -> Vec<String> {
    let mut words: Vec<String> = dff::MEMBERS.iter().chain(dff::TOOLS).map(ToString::to_string).collect();
    words.extend(packages::RUNNER_OPTIONS.iter().map(ToString::to_string));
    words.extend(dff::OPTIONS.iter().map(ToString::to_string));
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::host::{Host, Mode};
    use crate::script::library::Library;
    use crate::script::{Settings, engine};
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::sync::Arc;

    /// Names and numbers of parameters of an engine's functions.
    fn functions(engine: &Engine) -> BTreeSet<(String, usize)> {
        let metadata: serde_json::Value =
            serde_json::from_str(&engine.gen_fn_metadata_to_json(true).unwrap()).unwrap();
        let mut found = BTreeSet::new();
        for function in metadata["functions"].as_array().unwrap() {
            let name = function["name"].as_str().unwrap().to_owned();
            found.insert((name, function["params"].as_array().map_or(0, Vec::len)));
        }
        found
    }

    #[test]
    fn every_function_of_the_host_is_defined_and_no_other() {
        let library = Library::around(Path::new("/lib/my/main.rhai"), None);
        let settings = Arc::new(Settings::new(funchost_collectors::COLLECTORS));
        let host = Arc::new(Host::new(settings, library, Mode::List));
        let own: BTreeSet<(String, usize)> = functions(&engine::build(&host).unwrap())
            .difference(&functions(&Engine::new()))
            .filter(|(name, _)| !name.starts_with("__") && !name.contains("index$"))
            .map(|(name, count)| (name.trim_start_matches("get$").to_owned(), *count))
            .filter(|(name, _)| !name.starts_with("__"))
            // The prelude's typed method, whose `this` is the Runner.
            .filter(|(name, count)| (name.as_str(), *count) != ("run", 0))
            .collect();
        let mut written = BTreeSet::new();
        for line in HOST.lines().filter_map(|line| line.strip_prefix("fn ")) {
            let line = line.strip_prefix("get ").unwrap_or(line);
            let (name, rest) = line.split_once('(').unwrap();
            let parameters = rest.split_once(')').unwrap().0;
            let count = parameters.split(',').filter(|one| !one.trim().is_empty()).count();
            written.insert((name.to_owned(), count));
        }
        let missing: Vec<_> = own.difference(&written).collect();
        let invented: Vec<_> = written
            .difference(&own)
            // The language has these too, for other types; or they are the dialect's.
            .filter(|(name, count)| !functions(&Engine::new()).contains(&(name.clone(), *count)))
            .filter(|(name, _)| !["Runner", "run"].contains(&name.as_str()))
            .collect();
        assert!(missing.is_empty() && invented.is_empty(), "missing: {missing:?}\ninvented: {invented:?}");
    }

    #[test]
    fn members_and_options_are_named() {
        let all = format!("{HOST}{RUNNER}");
        for word in words() {
            assert!(all.contains(&word), "{word}");
        }
    }
}
