//! The metric selector: which metrics of a namespace a user wants.
//!
//! Owns patterns and how targets filter one another. Knows no cloud: what names there are, each collector finds out.
//!
//! Letter case does not matter, for all of Unicode: pattern and name are compared in lower case.

use crate::mistake::{Argument, Mistake, nearest};
use glob::{MatchOptions, Pattern};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use std::collections::BTreeSet;

/// A metric's patterns as they are written: one text, or a list of texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written(pub Vec<String>);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrList;
        impl<'de> Visitor<'de> for TextOrList {
            type Value = Written;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a list of texts such as `[\"*cpu*\"]`, or one text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Written, E> {
                Ok(Written(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Written, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Ok(Written(texts))
            }
        }
        deserializer.deserialize_any(TextOrList)
    }
}

/// The patterns of one target.
#[derive(Clone, Debug)]
pub struct Patterns {
    excludes: bool,
    patterns: Vec<OnePattern>,
}

#[derive(Clone, Debug)]
struct OnePattern {
    written: String,
    /// None is `ALL`.
    glob: Option<Pattern>,
}

impl OnePattern {
    fn matches(&self, folded: &str) -> bool {
        const OPTIONS: MatchOptions = MatchOptions {
            case_sensitive: true,
            require_literal_separator: false,
            require_literal_leading_dot: false,
        };
        self.glob.as_ref().is_none_or(|glob| glob.matches_with(folded, OPTIONS))
    }
}

impl Patterns {
    /// Reads the patterns of a target; `path` is where they stand, such as `targets[0].metrics`.
    ///
    /// # Errors
    /// A [`Mistake`] for an empty list or pattern, and for `NOT` anywhere but first.
    pub fn read(written: &Written, path: &str) -> Result<Self, Mistake> {
        let wrong = |path: String, message: &str| Mistake::new(Argument::Configs, path, message);
        let Written(texts) = written;
        if texts.is_empty() {
            return Err(wrong(path.to_owned(), "is an empty list: no metric would be collected")
                .hint("write patterns such as \"*cpu*\", or \"ALL\""));
        }
        let excludes = texts[0] == "NOT";
        let mut patterns = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate().skip(usize::from(excludes)) {
            let place = || format!("{path}[{index}]");
            if text.trim().is_empty() {
                return Err(wrong(place(), "is empty"));
            }
            if text == "NOT" {
                return Err(wrong(place(), "is \"NOT\", which excludes only as the first of the list")
                    .hint("put what shall be excluded into a list of its own: [\"NOT\", \"*credit*\"]"));
            }
            if text.eq_ignore_ascii_case("NOT") && index == 0 {
                return Err(
                    wrong(place(), &format!("is `{text}`, which no metric is called")).hint("write \"NOT\"")
                );
            }
            patterns.push(OnePattern { written: text.clone(), glob: compile(text, &place())? });
        }
        if patterns.is_empty() {
            return Err(wrong(path.to_owned(), "excludes nothing: \"NOT\" stands alone")
                .hint("name what shall be excluded: [\"NOT\", \"*credit*\"]; or write \"ALL\""));
        }
        Ok(Self { excludes, patterns })
    }

    /// Is a metric of this name wanted?
    #[must_use]
    pub fn selects(&self, name: &str) -> bool {
        let folded = name.to_lowercase();
        self.patterns.iter().any(|pattern| pattern.matches(&folded)) != self.excludes
    }

    /// The patterns that match none of these names, each with the nearest ones: said to the user, as it is mostly a misspelling.
    #[must_use]
    pub fn idle<'name>(&self, names: &BTreeSet<&'name str>) -> Vec<(&str, Vec<&'name str>)> {
        let folded: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
        self.patterns
            .iter()
            .filter(|pattern| !folded.iter().any(|name| pattern.matches(name)))
            .map(|pattern| {
                let mut left: BTreeSet<&str> = names.clone();
                let bare = pattern.written.replace('*', "");
                let mut near = Vec::new();
                while near.len() < 3
                    && let Some(name) = nearest(&bare, left.iter().copied())
                {
                    left.remove(name);
                    near.push(name);
                }
                (pattern.written.as_str(), near)
            })
            .collect()
    }
}

/// A glob in which only `*` is special; runs of `*` are one. `ALL` is none.
fn compile(text: &str, place: &str) -> Result<Option<Pattern>, Mistake> {
    if text.eq_ignore_ascii_case("ALL") {
        return Ok(None);
    }
    let mut glob = String::with_capacity(text.len());
    for character in text.to_lowercase().chars() {
        match character {
            '*' if glob.ends_with('*') => {}
            '?' | '[' | ']' => {
                glob.push('[');
                glob.push(character);
                glob.push(']');
            }
            other => glob.push(other),
        }
    }
    Pattern::new(&glob).map(Some).map_err(|_| {
        Mistake::new(Argument::Configs, place, format!("is `{text}`, which is no pattern"))
            .hint("use `*` for any text")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn patterns(texts: &[&str]) -> Result<Patterns, Mistake> {
        Patterns::read(&Written(texts.iter().map(ToString::to_string).collect()), "targets[0].metrics")
    }

    #[test]
    fn the_rules_of_the_contract() {
        for (texts, name, wanted) in [
            (vec!["*cpu*"], "CPUUtilization", true),
            (vec!["*cpu*"], "NetworkIn", false),
            (vec!["cpu*"], "xCPU", false),
            (vec!["CPUUtilization"], "cpuutilization", true),
            (vec!["a", "b"], "B", true),
            (vec!["NOT", "*cpu*"], "CPUUtilization", false),
            (vec!["NOT", "*cpu*"], "NetworkIn", true),
            (vec!["ALL"], "anything", true),
            (vec!["all"], "anything", true),
            (vec!["***"], "anything", true),
            (vec!["a**b"], "a/x.b", true),
            (vec!["*"], ".hidden/with/slashes", true),
            (vec!["a?b"], "axb", false),
            (vec!["a?b"], "a?b", true),
            (vec!["[ab]"], "a", false),
            (vec!["[ab]"], "[AB]", true),
            (vec!["*ü*"], "GRÜN", true),
        ] {
            assert_eq!(patterns(&texts).unwrap().selects(name), wanted, "{texts:?} {name}");
        }
    }

    #[test]
    fn mistakes_name_their_place() {
        for (texts, place) in [
            (vec![], "targets[0].metrics"),
            (vec!["NOT"], "targets[0].metrics"),
            (vec!["a", ""], "targets[0].metrics[1]"),
            (vec!["a", "NOT"], "targets[0].metrics[1]"),
            (vec!["NOT", "NOT"], "targets[0].metrics[1]"),
            (vec!["not", "a"], "targets[0].metrics[0]"),
        ] {
            assert_eq!(patterns(&texts).unwrap_err().path, place, "{texts:?}");
        }
    }

    #[test]
    fn idle_patterns_are_named_with_what_is_near() {
        let names = BTreeSet::from(["CPUUtilization", "NetworkIn", "NetworkOut"]);
        let patterns = patterns(&["*cpu*", "NetworkInn", "xyz"]).unwrap();
        let idle = patterns.idle(&names);
        assert_eq!(idle[0].0, "NetworkInn");
        assert_eq!(idle[0].1[0], "NetworkIn");
        assert_eq!(idle[1], ("xyz", vec![]));
    }

    /// Another way to match: every split of the name at a `*`.
    fn plainly(pattern: &[char], name: &[char]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some(('*', rest)) => (0..=name.len()).any(|skipped| plainly(rest, &name[skipped..])),
            Some((first, rest)) => {
                name.split_first().is_some_and(|(head, tail)| head == first && plainly(rest, tail))
            }
        }
    }

    proptest! {
        #[test]
        fn globs_match_as_plainly_as_can_be(pattern in "[aB*?\\[\\]./é]{1,8}", name in "[aAbB?\\[\\]./éÉ]{0,8}") {
            let folded: Vec<char> = pattern.to_lowercase().chars().collect();
            let expected = plainly(&folded, &name.to_lowercase().chars().collect::<Vec<_>>());
            prop_assert_eq!(patterns(&[&pattern]).unwrap().selects(&name), expected);
        }
    }
}
