//! A call's parameters, read strictly: each once, in its range, and none that the action does not know.
//!
//! The real servers most likely pass over what they do not know; here it is an error, as it is a misspelt name.

use super::{Refusal, refuse};
use std::collections::BTreeMap;

/// The parameters of one call.
#[derive(Debug)]
pub(super) struct Parameters {
    all: BTreeMap<String, String>,
    taken: Vec<&'static str>,
}

impl Parameters {
    pub(super) fn new(all: BTreeMap<String, String>) -> Self {
        Self { all, taken: Vec::new() }
    }

    /// One as it stands there; an empty one is none.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        self.taken.push(name);
        self.all.get(name).filter(|value| !value.is_empty()).cloned()
    }

    /// One that must be there.
    pub(super) fn required(&mut self, name: &'static str) -> Result<String, Refusal> {
        self.text(name).ok_or_else(|| {
            let message = format!(
                "The input parameter {name} that is mandatory for processing this request is not supplied."
            );
            refuse(400, format!("Missing{name}"), message)
        })
    }

    /// A whole number in a range.
    pub(super) fn number(
        &mut self,
        name: &'static str,
        range: std::ops::RangeInclusive<i64>,
        otherwise: i64,
    ) -> Result<i64, Refusal> {
        let Some(text) = self.text(name) else { return Ok(otherwise) };
        text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
            let message = format!("{name} must be from {} to {}, not {text}.", range.start(), range.end());
            refuse(400, format!("InvalidParameter.{name}"), message)
        })
    }

    /// Page and size of a list by numbers: from where, and how many.
    pub(super) fn page(
        &mut self,
        sizes: std::ops::RangeInclusive<i64>,
        otherwise: i64,
    ) -> Result<Page, Refusal> {
        let number = self.number("PageNumber", 1..=1_000_000, 1)?;
        let size = self.number("PageSize", sizes, otherwise)?;
        Ok(Page { number: position(number), size: position(size) })
    }

    /// All but the page token, which tokens are bound to.
    pub(super) fn bound(&self) -> String {
        let pairs = self.all.iter().filter(|(name, _)| *name != "NextToken");
        pairs.map(|(name, value)| format!("{name}={value}\n")).collect()
    }

    /// Nothing is left that the action does not know.
    pub(super) fn finish(&self) -> Result<(), Refusal> {
        match self.all.keys().find(|name| !self.taken.contains(&name.as_str())) {
            None => Ok(()),
            Some(unknown) => Err(refuse(
                400,
                "InvalidParameter.Unknown",
                format!("The parameter {unknown} is not one of this action."),
            )),
        }
    }
}

/// A page of a list by numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    pub(super) number: usize,
    pub(super) size: usize,
}

impl Page {
    pub(super) fn of<T: Clone>(self, all: &[T]) -> Vec<T> {
        all.iter().skip((self.number - 1) * self.size).take(self.size).cloned().collect()
    }
}

pub(super) fn position(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}
