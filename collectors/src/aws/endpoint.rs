//! Where AWS answers: hosts by partition and region.
//!
//! Follows the partitions of AWS's endpoint data. The list of regions serves error messages only: a region that is not in it is
//! asked all the same, by the pattern of its name.

use crate::account::Account;
use crate::call::CallPath;
use crate::client::named;
use crate::mistake::nearest;

/// Regions known in 2026, for "did you mean".
const REGIONS: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "me-west-1",
    "mx-central-1",
    "sa-east-1",
    "sa-west-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

/// Regions that an account must enable before its keys work there.
const OPT_IN: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-south-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-west-1",
    "eu-central-2",
    "eu-south-1",
    "eu-south-2",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "me-west-1",
    "mx-central-1",
    "sa-west-1",
];

/// What a host name ends with in a region's partition.
fn suffix(region: &str) -> &'static str {
    let partitions = [
        ("cn-", "amazonaws.com.cn"),
        ("eusc-", "amazonaws.eu"),
        ("us-iso-", "c2s.ic.gov"),
        ("us-isob-", "sc2s.sgov.gov"),
        ("eu-isoe-", "cloud.adc-e.uk"),
        ("us-isof-", "csp.hci.ic.gov"),
    ];
    let known = partitions.iter().find(|(start, _)| region.starts_with(start));
    known.map_or("amazonaws.com", |(_, suffix)| suffix)
}

/// The URL of a service in a region, without a slash at its end.
///
/// # Errors
/// What is wrong with an endpoint that somebody wrote.
pub fn url(account: &Account, calls: &CallPath, service: &str, region: &str) -> Result<String, String> {
    match named(account, calls, service) {
        Some(url) => url.map(str::to_owned),
        None => Ok(format!("https://{service}.{region}.{}", suffix(region))),
    }
}

/// The name that a service signs with, where it is not the host's.
#[must_use]
pub fn signing_name(service: &str) -> &str {
    if service == "memory-db" { "memorydb" } else { service }
}

/// Is this region in the China partition, whose keys are its own?
#[must_use]
pub fn is_china(region: &str) -> bool {
    region.starts_with("cn-")
}

/// Must an account enable this region before it can be used?
#[must_use]
pub fn is_opt_in(region: &str) -> bool {
    OPT_IN.contains(&region)
}

/// What to say about a region that does not answer; none where it is a known one.
#[must_use]
pub fn region_hint(region: &str) -> Option<String> {
    if REGIONS.contains(&region) {
        return None;
    }
    let near = nearest(region, REGIONS.iter().copied());
    Some(near.map_or_else(
        || format!("`{region}` is no region that AWS is known to have"),
        |near| format!("`{region}` is no region that AWS is known to have: did you mean `{near}`?"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Cloud;
    use crate::call::Options;
    use crate::clock::SystemClock;
    use serde_json::json;
    use std::sync::Arc;

    fn account(extra: serde_json::Value) -> Account {
        let mut value = json!({ "ak_id": "AKID", "ak_secret": "secret" });
        value.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        Account::read(Cloud::Aws, &value).unwrap()
    }

    #[test]
    fn hosts_follow_the_partition() {
        let calls = CallPath::new(Options::default(), Arc::new(SystemClock)).unwrap();
        for (service, region, wanted) in [
            ("monitoring", "cn-northwest-1", "https://monitoring.cn-northwest-1.amazonaws.com.cn"),
            ("ec2", "us-east-1", "https://ec2.us-east-1.amazonaws.com"),
            ("sts", "us-gov-west-1", "https://sts.us-gov-west-1.amazonaws.com"),
            ("ec2", "eusc-de-east-1", "https://ec2.eusc-de-east-1.amazonaws.eu"),
            ("ec2", "us-iso-east-1", "https://ec2.us-iso-east-1.c2s.ic.gov"),
            ("ec2", "us-isob-east-1", "https://ec2.us-isob-east-1.sc2s.sgov.gov"),
        ] {
            assert_eq!(url(&account(json!({})), &calls, service, region).unwrap(), wanted);
        }
    }

    #[test]
    fn the_accounts_own_endpoint_wins() {
        let endpoints = [("aws".to_owned(), "http://configured:1/".to_owned())].into();
        let calls =
            CallPath::new(Options { endpoints, ..Options::default() }, Arc::new(SystemClock)).unwrap();
        assert_eq!(url(&account(json!({})), &calls, "ec2", "cn-north-1").unwrap(), "http://configured:1");
        let all = account(json!({ "endpoint": "http://own:2/prefix/" }));
        assert_eq!(url(&all, &calls, "ec2", "cn-north-1").unwrap(), "http://own:2/prefix");
        let one = account(json!({ "endpoint": { "monitoring": "http://own:3" } }));
        assert_eq!(url(&one, &calls, "monitoring", "cn-north-1").unwrap(), "http://own:3");
        assert_eq!(url(&one, &calls, "ec2", "cn-north-1").unwrap(), "http://configured:1");
    }

    #[test]
    fn what_is_no_endpoint_is_said_without_showing_it() {
        let calls = CallPath::new(Options::default(), Arc::new(SystemClock)).unwrap();
        for (bad, words) in [
            ("localhost:4566", "http://"),
            ("ftp://host", "http://"),
            ("http://", "no URL"),
            ("http://a b", "no URL"),
            ("https://me:hunter2@host", "password"),
            ("https://host/?token=hunter2", "query"),
        ] {
            let error = url(&account(json!({ "endpoint": bad })), &calls, "ec2", "cn-north-1").unwrap_err();
            assert!(error.contains(words) && !error.contains("hunter2"), "{bad}: {error}");
        }
    }

    #[test]
    fn every_region_to_opt_in_to_is_a_known_one() {
        assert!(OPT_IN.iter().all(|region| REGIONS.contains(region)));
        assert!(is_opt_in("af-south-1") && !is_opt_in("cn-north-1"));
    }

    #[test]
    fn a_misspelt_region_is_named() {
        assert_eq!(region_hint("cn-north-1"), None);
        assert!(region_hint("cn-nroth-1").unwrap().contains("did you mean `cn-north-1`?"));
    }
}
