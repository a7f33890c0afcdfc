//! What the service itself says of runs that did not happen and of triggers that cannot fire, as a code and what it is about.
//!
//! Owns the reading of these few sentences, which stand in records as text: the page says them in the reader's language. A sentence
//! that is not known here is shown as it was written.

use serde_json::{Map, Value, json};

/// Code and sentence. What holds the place of a value stands in braces; of two that fit the first counts.
const SENTENCES: &[(&str, &str)] = &[
    ("busy", "run {run} of the same trigger had not finished"),
    ("missedMany", "nothing was there to start its {count} ticks from {first} to {last}"),
    ("missedOne", "nothing was there to start it at {at}"),
    ("idle", "the trigger could not fire: {why}"),
    ("noRoom", "no worker was free for it in time"),
    ("noWorker", "no worker took it in time"),
    ("byHand", "stopped by hand"),
    ("lost", "another worker has it"),
    ("ended", "the service ended"),
    ("silent", "whoever ran it went silent, {attempts} times: it is not tried again"),
    ("givenBack", "given back by {worker} when it ended"),
    ("unpublishedNear", "no function `{func}` is published: did you mean `{near}`?"),
    (
        "unpublished",
        "no function `{func}` is published: put `@DFF.API(\"title\")` above it, and its script into the library",
    ),
    ("noCrontab", "has no crontab: write `cron = \"*/5 * * * *\"`"),
    ("sameId", "another trigger, of `{func}`, has the id `{id}`: give it another `id` under [[triggers]]"),
    (
        "argumentMissing",
        "the argument `{argument}` of `{func}` is missing, it takes: {list}; its arguments are `kwargs` of [[triggers]]",
    ),
    (
        "argumentUnknown",
        "`{func}` takes no argument `{argument}`, it takes: {list}; its arguments are `kwargs` of [[triggers]]",
    ),
    (
        "noArguments",
        "`{func}` takes no arguments, found `{argument}`; its arguments are `kwargs` of [[triggers]]",
    ),
];

/// `{code, values}`; null where the text is none of ours.
pub(super) fn told(text: Option<&str>) -> Value {
    let Some(text) = text else { return Value::Null };
    for (code, sentence) in SENTENCES {
        let Some(mut values) = values(sentence, text) else { continue };
        if let Some(why) = values.get("why").and_then(Value::as_str).map(|why| told(Some(why))) {
            values.insert("whyTold".into(), why);
        }
        return json!({ "code": code, "values": values });
    }
    Value::Null
}

/// What stands in the places of a sentence; none where the text is another.
fn values(sentence: &str, text: &str) -> Option<Map<String, Value>> {
    let mut parts = sentence.split('{');
    let mut rest = text.strip_prefix(parts.next().unwrap_or_default())?;
    let mut found = Map::new();
    for part in parts {
        let (name, after) = part.split_once('}')?;
        let end = if after.is_empty() { rest.len() } else { rest.find(after)? };
        found.insert(name.to_owned(), rest[..end].into());
        rest = &rest[end + after.len()..];
    }
    rest.is_empty().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_read_with_what_it_is_about() {
        let read = |text: &str| told(Some(text));
        assert_eq!(
            read("run 12 of the same trigger had not finished"),
            json!({ "code": "busy", "values": { "run": "12" } })
        );
        assert_eq!(
            read("nothing was there to start its 3 ticks from A to B"),
            json!({ "code": "missedMany", "values": { "count": "3", "first": "A", "last": "B" } })
        );
        assert_eq!(
            read("no function `a__b.c` is published: did you mean `a__b.d`?")["code"],
            "unpublishedNear"
        );
        assert_eq!(
            read("the trigger could not fire: has no crontab: write `cron = \"*/5 * * * *\"`")["values"]["whyTold"],
            json!({ "code": "noCrontab", "values": {} })
        );
        // What a script says is its own, whatever it begins with.
        for other in ["stopped by hand, or so", "run 12 of the same trigger", "", "the key is wrong"] {
            assert_eq!(read(other), Value::Null, "{other}");
        }
        assert_eq!(told(None), Value::Null);
    }

    #[test]
    fn the_page_has_words_for_each_with_the_same_places_in_both_languages() {
        let words = include_str!("page/words.js");
        for (code, sentence) in SENTENCES {
            let start = format!("\"told.{code}\": [");
            let line = words.split(&start).nth(1).unwrap_or_else(|| panic!("no words for {code}"));
            let line = line.split("],\n").next().unwrap();
            for place in sentence.split('{').skip(1).map(|part| part.split('}').next().unwrap()) {
                let count = line.matches(&format!("{{{place}}}")).count();
                assert_eq!(count, 2, "{code}: {place} in {line}");
            }
        }
    }

    #[test]
    fn the_page_has_words_for_every_status_and_origin() {
        use crate::state::runs::{Origin, Status};
        let (words, runs) = (include_str!("page/words.js"), include_str!("page/runs.js"));
        let parts = include_str!("page/parts.js");
        let list = |name: &str| {
            let line =
                runs.lines().find(|line| line.starts_with(&format!("export const {name} = "))).unwrap();
            line.split('"').skip(1).step_by(2).collect::<Vec<_>>()
        };
        assert_eq!(list("STATUSES"), Status::ALL.map(Status::as_str));
        assert_eq!(list("ORIGINS"), Origin::ALL.map(Origin::as_str));
        let keys = Status::ALL.map(|status| format!("status.{}", status.as_str())).into_iter();
        for key in keys.chain(Origin::ALL.map(|origin| format!("origin.{}", origin.as_str()))) {
            let line = words.lines().find(|line| line.trim_start().starts_with(&format!("\"{key}\": [")));
            let line = line.unwrap_or_else(|| panic!("no words for {key}"));
            assert!(line.chars().any(|one| ('\u{4e00}'..='\u{9fff}').contains(&one)), "{line}");
        }
        for status in Status::ALL {
            assert!(
                parts.contains(&format!("\n  {}: [", status.as_str())),
                "no sign for {}",
                status.as_str()
            );
        }
    }
}
