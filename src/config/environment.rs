//! The variables: from a name in capitals to a key.

use super::read::{CLOUDS, Key};
use super::value::Wrong;
use funchost_collectors::mistake::nearest;
use std::collections::BTreeSet;

/// What all of them begin with.
pub(super) const PREFIX: &str = "FUNCHOST_";

/// Variables that are no keys: the file's name, the log's filter, the folder of the signing vectors.
const RESERVED: [&str; 3] = ["CONFIG", "LOG", "VECTORS"];
const SECTIONS: [&str; 9] =
    ["BUDGET", "DATAKITS", "ENDPOINTS", "ENV", "LIMITS", "OUTBOX", "OVERLAP", "SCRIPTS", "STATE"];

/// Names that are known by now, from the registry and from the file.
pub(super) struct Names<'n> {
    pub(super) budgets: Vec<&'n str>,
    pub(super) datakits: Vec<&'n str>,
    pub(super) env: Vec<&'n str>,
    pub(super) endpoints: &'n BTreeSet<String>,
    pub(super) limits: &'n BTreeSet<String>,
}

/// The key that a variable sets; none for one that is no key. `rest` is its name without `FUNCHOST_`.
pub(super) fn key(rest: &str, names: &Names<'_>) -> Result<Option<Key>, Wrong> {
    if RESERVED.contains(&rest) {
        return Ok(None);
    }
    let folded = rest.to_ascii_uppercase();
    let capitals: Vec<&str> = folded.split("__").collect();
    let parts: Vec<&str> = rest.split("__").collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err(unknown(rest, names));
    }
    Ok(Some(match (capitals.as_slice(), parts.as_slice()) {
        (["BUDGET", "CALLS"], _) => Key::BudgetCalls(None),
        (["BUDGET", "MONEY"], _) => Key::BudgetMoney(None),
        (["BUDGET", "ACCOUNTS", _, last @ ("CALLS" | "MONEY")], [_, _, id, _]) => {
            // Access key ids have capitals and small letters.
            let id = Some(resolve(id, &names.budgets).unwrap_or_else(|| (*id).to_owned()));
            if *last == "CALLS" { Key::BudgetCalls(id) } else { Key::BudgetMoney(id) }
        }
        (["STATE"], _) => Key::State,
        (["SCRIPTS"], _) => Key::Scripts,
        (["OUTBOX", "LIMIT"], _) => Key::OutboxLimit,
        (["OVERLAP", cloud], _) if CLOUDS.iter().any(|known| known.eq_ignore_ascii_case(cloud)) => {
            Key::Overlap(cloud.to_ascii_lowercase())
        }
        (["DATAKITS", _, "URL"], [_, id, _]) => {
            Key::DataKit(resolve(id, &names.datakits).unwrap_or_else(|| lower(id)))
        }
        (["ENDPOINTS", ..], [_, name @ ..]) if !name.is_empty() => {
            Key::Endpoint(name.join(".").to_ascii_lowercase())
        }
        (["LIMITS", ..], [_, name @ ..]) if !name.is_empty() => Key::Limit(name.join(".")),
        (["ENV", _] | ["ENV", _, "VALUE"], [_, name, ..]) => {
            Key::Env(resolve(name, &names.env).unwrap_or_else(|| (*name).to_owned()))
        }
        (["ENV", _, "SECRET"], [_, name, _]) => {
            Key::EnvSecret(resolve(name, &names.env).unwrap_or_else(|| (*name).to_owned()))
        }
        _ => return Err(unknown(rest, names)),
    }))
}

/// The known name that is meant: the same, or the same but for case and for what a variable's name cannot hold.
fn resolve(written: &str, known: &[&str]) -> Option<String> {
    let plain = |name: &str| name.replace(['-', '.'], "_").to_ascii_lowercase();
    let same = known.iter().find(|name| **name == written);
    same.or_else(|| known.iter().find(|name| plain(name) == plain(written))).map(|name| (*name).to_owned())
}

/// Capitals are the habit of variables, not the name's own.
fn lower(written: &str) -> String {
    if written.contains(|character: char| character.is_ascii_lowercase()) {
        written.to_owned()
    } else {
        written.to_ascii_lowercase()
    }
}

/// A variable that sets nothing.
pub(super) fn unknown(rest: &str, names: &Names<'_>) -> Wrong {
    let wrong = Wrong::new("is a variable that funchost does not know").at_key();
    let upper = rest.to_ascii_uppercase();
    // The most frequent slip: one underscore between the parts.
    let section = SECTIONS.iter().find_map(|section| {
        let below = upper.strip_prefix(section)?.strip_prefix('_')?;
        let below = below.trim_matches('_');
        (!below.is_empty()).then(|| (*section, below.to_owned()))
    });
    if let Some(("ENV", name)) = &section {
        return wrong.hint(match name.contains("__") {
            true => "a name with `__` in it can be set in the file only".to_owned(),
            false => format!("did you mean `{PREFIX}ENV__{name}`?"),
        });
    }
    let written = |name: &str| name.replace(['.', '-'], "__").to_ascii_uppercase();
    let known: BTreeSet<String> = ["STATE", "SCRIPTS", "OUTBOX__LIMIT", "BUDGET__CALLS", "BUDGET__MONEY"]
        .into_iter()
        .chain(RESERVED)
        .map(str::to_owned)
        .chain(
            names
                .datakits
                .iter()
                .map(|id| format!("DATAKITS__{}__URL", id.replace('-', "_").to_ascii_uppercase())),
        )
        .chain(CLOUDS.iter().map(|cloud| format!("OVERLAP__{}", cloud.to_ascii_uppercase())))
        .chain(names.endpoints.iter().map(|name| format!("ENDPOINTS__{}", written(name))))
        .chain(names.limits.iter().map(|name| format!("LIMITS__{}", written(name))))
        .collect();
    match nearest(&upper, known.iter().map(String::as_str)) {
        Some(near) => wrong.hint(format!("did you mean `{PREFIX}{near}`?")),
        None => wrong.hint(format!(
            "keys are written as `{PREFIX}STATE`, `{PREFIX}DATAKITS__DATAKIT__URL`, `{PREFIX}ENV__NAME`, with two underscores between parts"
        )),
    }
}
