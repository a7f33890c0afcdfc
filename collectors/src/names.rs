//! Names that a script chooses where a declaration has literals: each is kept once, for as long as the process lives.
//!
//! Owns how much may be kept. A script names a handful of services and actions; a program that makes up names without an end is refused.

use crate::COLLECTORS;
use crate::account::Cloud;
use crate::collector::Action;
use crate::request::RATE;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Bytes of names.
const MOST_BYTES: usize = 1 << 20;

/// Actions beside the declared ones.
const MOST_ACTIONS: usize = 10_000;

/// More names than any script has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this process was given more different names of services and actions than it keeps: they must not be made up anew for every call"
)]
pub struct TooMany;

static NAMES: Mutex<(BTreeSet<&'static str>, usize)> = Mutex::new((BTreeSet::new(), 0));
static ACTIONS: Mutex<Vec<(Cloud, &'static Action)>> = Mutex::new(Vec::new());

/// The text, kept.
///
/// # Errors
/// [`TooMany`] where the process keeps more than any script needs.
pub fn keep(text: &str) -> Result<&'static str, TooMany> {
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.0.get(text) {
        return Ok(known);
    }
    if names.1 + text.len() > MOST_BYTES {
        return Err(TooMany);
    }
    let kept: &'static str = Box::leak(text.to_owned().into_boxed_str());
    names.1 += text.len();
    names.0.insert(kept);
    Ok(kept)
}

/// The action of a name: the declared one where a collector has it, unless a lower rate was given; else one that is kept, with the given rate,
/// or the usual one.
///
/// # Errors
/// [`TooMany`] where the process keeps more than any script needs.
pub fn action(
    cloud: Cloud,
    service: &str,
    action: &str,
    rate: Option<f64>,
) -> Result<&'static Action, TooMany> {
    let same = |known: &Action| known.service == service && known.action == action;
    let declared = COLLECTORS
        .iter()
        .map(|collector| collector.description())
        .filter(|description| description.cloud == cloud)
        .flat_map(|description| description.actions.iter().copied())
        .find(|known| same(known));
    if let Some(declared) = declared
        && rate.is_none_or(|rate| rate >= declared.rate)
    {
        return Ok(declared);
    }
    let rate = rate.unwrap_or(RATE);
    let (service, name) = (keep(service)?, keep(action)?);
    let permission = match (cloud, service) {
        (Cloud::Aws, "monitoring") => keep(&format!("cloudwatch:{name}"))?,
        _ => keep(&format!("{service}:{name}"))?,
    };
    let mut actions = ACTIONS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = actions
        .iter()
        .find(|(of, known)| *of == cloud && same(known) && known.rate.to_bits() == rate.to_bits());
    if let Some((_, known)) = known {
        return Ok(known);
    }
    if actions.len() >= MOST_ACTIONS {
        return Err(TooMany);
    }
    let kept: &'static Action =
        Box::leak(Box::new(Action { service, action: name, permission, rate, when: "by a script" }));
    actions.push((cloud, kept));
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_action_is_the_same_for_scripts() {
        let declared = action(Cloud::Aws, "ec2", "DescribeInstances", None).unwrap();
        let from_collector = crate::aws::ec2::EC2.description.actions[0];
        assert!(std::ptr::eq(declared, from_collector));
        let faster = action(Cloud::Aws, "ec2", "DescribeInstances", Some(1e6)).unwrap();
        assert!(std::ptr::eq(faster, from_collector), "the cloud's rate is no script's to raise");
        let slower = action(Cloud::Aws, "ec2", "DescribeInstances", Some(0.5)).unwrap();
        assert_eq!((slower.rate, slower.permission), (0.5, from_collector.permission));
    }

    #[test]
    fn names_are_kept_once() {
        let one = action(Cloud::Aws, "rds", "DescribeDBInstances", None).unwrap();
        let two = action(Cloud::Aws, "rds", "DescribeDBInstances", None).unwrap();
        assert!(std::ptr::eq(one, two));
        assert_eq!(one.permission, "rds:DescribeDBInstances");
        assert!(std::ptr::eq(keep("x-y").unwrap(), keep("x-y").unwrap()));
        let other = action(Cloud::Tencent, "rds", "DescribeDBInstances", None).unwrap();
        assert!(!std::ptr::eq(one, other), "another cloud's action of the same name is another");
    }
}
