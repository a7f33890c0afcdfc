//! What the service itself says of runs that did not happen and of triggers that cannot fire, as a code and what it is about: the page says
//! it in the reader's language. A text that is no sentence of [`said`](crate::state::said) is shown as it was written.

use crate::state::runs::{Record, Status};
use crate::state::said;
use funchost_collectors::mapped::Mapped as _;
use serde_json::{Map, Value, json};

/// `{code, values}`; null where the text is none of ours.
pub(super) fn told(text: Option<&str>) -> Value {
    let Some((sentence, found)) = text.and_then(said::read) else { return Value::Null };
    let mut values: Map<String, Value> =
        found.into_iter().map(|(name, value)| (name.to_owned(), value.into())).mapped();
    if let Some(why) = values.get("why").and_then(Value::as_str).map(|why| told(Some(why))) {
        values.insert("whyTold".into(), why);
    }
    json!({ "code": sentence.code(), "values": values })
}

/// The same of a run's reason. Why a function failed is its own word, whatever it sounds like.
pub(super) fn told_of(record: &Record) -> Value {
    match record.status {
        Status::Success | Status::Failure | Status::Timeout => Value::Null,
        _ => told(record.reason.as_deref()),
    }
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
        for sentence in said::ALL {
            let code = sentence.code();
            let start = format!("\"told.{code}\": [");
            let line = words.split(&start).nth(1).unwrap_or_else(|| panic!("no words for {code}"));
            let line = line.split("],\n").next().unwrap();
            for place in sentence.places() {
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
