//! Where Tencent Cloud answers: hosts by service, site and network. The region of the data is said by a header.
//!
//! Follows the pages "Request Structure" of the services. The list of regions serves error messages only.

use crate::account::Account;
use crate::call::CallPath;
use crate::client::named;
use crate::mistake::nearest;

/// Regions known in 2026, for "did you mean".
const REGIONS: &[&str] = &[
    "ap-bangkok",
    "ap-beijing",
    "ap-beijing-fsi",
    "ap-chengdu",
    "ap-chongqing",
    "ap-guangzhou",
    "ap-hongkong",
    "ap-jakarta",
    "ap-mumbai",
    "ap-nanjing",
    "ap-seoul",
    "ap-shanghai",
    "ap-shanghai-fsi",
    "ap-shenzhen-fsi",
    "ap-singapore",
    "ap-tianjin",
    "ap-tokyo",
    "ap-zhongwei",
    "eu-frankfurt",
    "me-saudi-arabia",
    "na-ashburn",
    "na-siliconvalley",
    "na-toronto",
    "sa-saopaulo",
];

/// The URL of a service, without a slash at its end. The global host goes to the nearest entry; finance zones have hosts of their own.
///
/// # Errors
/// What is wrong with an endpoint that somebody wrote, or that no host is known for.
pub fn url(account: &Account, calls: &CallPath, service: &str, region: &str) -> Result<String, String> {
    if let Some(url) = named(account, calls, service) {
        return url.map(str::to_owned);
    }
    let (vpc, intl) = (account.network.as_deref() == Some("vpc"), account.site.as_deref() == Some("intl"));
    let between = match (vpc, intl) {
        (true, true) => {
            return Err("no host inside of a VPC is documented for the international site: write the account's `endpoint`, or leave `network` out".into());
        }
        (true, false) => ".internal".to_owned(),
        (false, true) => ".intl".to_owned(),
        (false, false) if region.ends_with("-fsi") => format!(".{region}"),
        (false, false) => String::new(),
    };
    Ok(format!("https://{service}{between}.tencentcloudapi.com"))
}

/// The URL of the object store's service, without a slash at its end; one host for all sites.
///
/// # Errors
/// What is wrong with an endpoint that somebody wrote.
pub(super) fn cos_url(account: &Account, calls: &CallPath) -> Result<String, String> {
    match named(account, calls, "cos") {
        Some(url) => url.map(str::to_owned),
        None => Ok("https://service.cos.myqcloud.com".to_owned()),
    }
}

/// What to say about a region that is refused; none where it is a known one.
#[must_use]
pub fn region_hint(region: &str) -> Option<String> {
    if region.is_empty() || REGIONS.contains(&region) {
        return None;
    }
    let near = nearest(region, REGIONS.iter().copied());
    Some(near.map_or_else(
        || format!("`{region}` is no region that Tencent Cloud is known to have"),
        |near| format!("`{region}` is no region that Tencent Cloud is known to have: did you mean `{near}`?"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Cloud;
    use crate::call::Options;
    use crate::clock::SystemClock;
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn of(more: &Value, service: &str, region: &str) -> Result<String, String> {
        let mut written = json!({ "ak_id": "AKID", "ak_secret": "secret" });
        for (key, value) in more.as_object().unwrap() {
            written[key] = value.clone();
        }
        let calls = CallPath::new(Options::default(), Arc::new(SystemClock)).unwrap();
        url(&Account::read(Cloud::Tencent, &written).unwrap(), &calls, service, region)
    }

    #[test]
    fn every_site_and_network_has_its_hosts() {
        for (more, region, host) in [
            (json!({}), "ap-shanghai", "cvm"),
            (json!({}), "ap-shanghai-fsi", "cvm.ap-shanghai-fsi"),
            (json!({ "network": "public" }), "ap-shanghai", "cvm"),
            (json!({ "network": "vpc" }), "ap-shanghai", "cvm.internal"),
            (json!({ "site": "intl" }), "ap-singapore", "cvm.intl"),
            (json!({ "site": "china" }), "ap-shanghai", "cvm"),
        ] {
            assert_eq!(of(&more, "cvm", region).unwrap(), format!("https://{host}.tencentcloudapi.com"));
        }
        assert!(of(&json!({ "site": "intl", "network": "vpc" }), "cvm", "ap-singapore").is_err());
        let own = json!({ "endpoint": { "cvm": "http://own:1" }, "site": "intl", "network": "vpc" });
        assert_eq!(of(&own, "cvm", "ap-singapore").unwrap(), "http://own:1");
    }

    #[test]
    fn a_misspelt_region_is_named() {
        assert_eq!(region_hint("ap-shanghai"), None);
        assert!(region_hint("ap-shangai").unwrap().contains("did you mean `ap-shanghai`?"));
    }
}
