//! What the service itself says of runs that did not happen and of triggers that cannot fire.
//!
//! Owns these few sentences. They stand in records as text, which every client can show; who records one has it from here, and so has who
//! reads it again to say it in another language: none can change on one side alone. Records of older versions have the same texts.

/// A sentence, and the code by which it is known. What holds the place of a value stands in braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sentence {
    code: &'static str,
    text: &'static str,
}

impl Sentence {
    const fn new(code: &'static str, text: &'static str) -> Self {
        Self { code, text }
    }

    /// What the page has words for.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// As it is, where it has no places.
    pub(crate) fn text(&self) -> &'static str {
        self.text
    }

    /// Its places, in order.
    #[cfg(test)]
    pub(crate) fn places(&self) -> impl Iterator<Item = &'static str> {
        self.text.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name)
    }

    /// With these values in its places, in their order.
    pub(crate) fn with(&self, values: &[&str]) -> String {
        let mut parts = self.text.split('{');
        let mut said = parts.next().unwrap_or_default().to_owned();
        for (part, value) in parts.zip(values) {
            said.push_str(value);
            said.push_str(part.split_once('}').map_or("", |(_, after)| after));
        }
        said
    }

    /// What stands in its places; none where the text is another.
    pub(crate) fn read<'t>(&self, text: &'t str) -> Option<Vec<(&'static str, &'t str)>> {
        let mut parts = self.text.split('{');
        let mut rest = text.strip_prefix(parts.next().unwrap_or_default())?;
        let mut found = Vec::new();
        for part in parts {
            let (name, after) = part.split_once('}')?;
            let end = if after.is_empty() { rest.len() } else { rest.find(after)? };
            found.push((name, &rest[..end]));
            rest = &rest[end + after.len()..];
        }
        rest.is_empty().then_some(found)
    }
}

pub(crate) const BUSY: Sentence = Sentence::new("busy", "run {run} of the same trigger had not finished");
pub(crate) const MISSED_MANY: Sentence =
    Sentence::new("missedMany", "nothing was there to start its {count} ticks from {first} to {last}");
pub(crate) const MISSED_ONE: Sentence = Sentence::new("missedOne", "nothing was there to start it at {at}");
pub(crate) const IDLE: Sentence = Sentence::new("idle", "the trigger could not fire: {why}");
pub(crate) const NO_ROOM: Sentence = Sentence::new("noRoom", "no worker was free for it in time");
pub(crate) const NO_WORKER: Sentence = Sentence::new("noWorker", "no worker took it in time");
pub(crate) const BY_HAND: Sentence = Sentence::new("byHand", "stopped by hand");
pub(crate) const LOST: Sentence = Sentence::new("lost", "another worker has it");
pub(crate) const ENDED: Sentence = Sentence::new("ended", "the service ended");
pub(crate) const SILENT: Sentence =
    Sentence::new("silent", "whoever ran it went silent, {attempts} times: it is not tried again");
pub(crate) const ABANDONED: Sentence = Sentence::new(
    "abandoned",
    "whoever ran it went silent, and no worker took it over in time: see that a worker is up that has `{func}`, and start it again",
);
pub(crate) const GIVEN_BACK: Sentence = Sentence::new("givenBack", "given back by {worker} when it ended");
pub(crate) const UNPUBLISHED_NEAR: Sentence =
    Sentence::new("unpublishedNear", "no function `{func}` is published: did you mean `{near}`?");
pub(crate) const UNPUBLISHED: Sentence = Sentence::new(
    "unpublished",
    "no function `{func}` is published: put `@DFF.API(\"title\")` above it, and its script into the library",
);
pub(crate) const NO_CRONTAB: Sentence =
    Sentence::new("noCrontab", "has no crontab: write `cron = \"*/5 * * * *\"`");
pub(crate) const SAME_ID: Sentence = Sentence::new(
    "sameId",
    "another trigger, of `{func}`, has the id `{id}`: give it another `id` under [[triggers]]",
);
/// What a function's own refusal is followed by, in the three below.
pub(crate) const THEIR_ARGUMENTS: &str = "; its arguments are `kwargs` of [[triggers]]";
pub(crate) const ARGUMENT_MISSING: Sentence = Sentence::new(
    "argumentMissing",
    "the argument `{argument}` of `{func}` is missing, it takes: {list}; its arguments are `kwargs` of [[triggers]]",
);
pub(crate) const ARGUMENT_UNKNOWN: Sentence = Sentence::new(
    "argumentUnknown",
    "`{func}` takes no argument `{argument}`, it takes: {list}; its arguments are `kwargs` of [[triggers]]",
);
pub(crate) const NO_ARGUMENTS: Sentence = Sentence::new(
    "noArguments",
    "`{func}` takes no arguments, found `{argument}`; its arguments are `kwargs` of [[triggers]]",
);

/// Every one; of two that fit a text the first counts.
pub(crate) const ALL: [Sentence; 19] = [
    BUSY,
    MISSED_MANY,
    MISSED_ONE,
    IDLE,
    NO_ROOM,
    NO_WORKER,
    BY_HAND,
    LOST,
    ENDED,
    SILENT,
    ABANDONED,
    GIVEN_BACK,
    UNPUBLISHED_NEAR,
    UNPUBLISHED,
    NO_CRONTAB,
    SAME_ID,
    ARGUMENT_MISSING,
    ARGUMENT_UNKNOWN,
    NO_ARGUMENTS,
];

/// Which sentence a text is, and what stands in its places.
pub(crate) fn read(text: &str) -> Option<(Sentence, Vec<(&'static str, &str)>)> {
    ALL.into_iter().find_map(|sentence| Some((sentence, sentence.read(text)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_read_again_as_the_same() {
        for sentence in ALL {
            let places: Vec<&str> = sentence.places().collect();
            let values: Vec<String> = places.iter().map(|place| format!("a {place}, `it`")).collect();
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let said = sentence.with(&values);
            let (read, found) = read(&said).unwrap();
            assert_eq!(read, sentence, "{said}");
            assert_eq!(found, places.into_iter().zip(values).collect::<Vec<_>>(), "{said}");
            assert_eq!(ALL.iter().filter(|one| one.code() == sentence.code()).count(), 1);
        }
        for sentence in [ARGUMENT_MISSING, ARGUMENT_UNKNOWN, NO_ARGUMENTS] {
            assert!(sentence.text().ends_with(THEIR_ARGUMENTS));
        }
    }
}
