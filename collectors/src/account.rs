//! The account: the keys of a cloud, read from what a script wrote.
//!
//! Owns the secrets. They have types that cannot be printed.

use crate::mapped::Mapped as _;
use crate::mistake::{Argument, Mistake};
use crate::point::Text;
use secrecy::SecretString;
use serde::Deserialize;
use std::collections::BTreeMap;

/// One of the clouds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cloud {
    /// Alibaba Cloud.
    Aliyun,
    /// Amazon Web Services.
    Aws,
    /// Tencent Cloud.
    Tencent,
}

impl Cloud {
    /// The value of the fixed tag `cloud_provider`, letter case included.
    #[must_use]
    pub fn provider(self) -> &'static str {
        match self {
            Self::Aliyun => "aliyun",
            Self::Aws => "AWS",
            Self::Tencent => "tencentcloud",
        }
    }

    /// The name in configuration keys, limits and reports.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Aliyun => "aliyun",
            Self::Aws => "aws",
            Self::Tencent => "tencentcloud",
        }
    }
}

/// Where an account's APIs answer, when a script says so.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Endpoint {
    /// One URL for every service.
    All(String),
    /// A URL for each service named, such as `monitoring`.
    ByService(BTreeMap<String, String>),
}

/// The first argument of every `DataCollector`.
#[derive(Clone, Debug)]
pub struct Account {
    /// Which cloud it belongs to.
    pub cloud: Cloud,
    /// Access key id.
    pub ak_id: String,
    /// Its secret.
    pub ak_secret: SecretString,
    /// STS token that goes with temporary keys.
    pub security_token: Option<SecretString>,
    /// Tags for every point of this account.
    pub extra_tags: BTreeMap<Text, Text>,
    /// Used where a configuration has no `regions`.
    pub region: Option<String>,
    /// The role to assume first.
    pub role_arn: Option<String>,
    /// The session's name in the cloud's audit log.
    pub role_session_name: Option<String>,
    /// What the role's trust policy may ask for.
    pub external_id: Option<SecretString>,
    /// Wins over the configuration's `[endpoints]`.
    pub endpoint: Option<Endpoint>,
    /// Aliyun and Tencent: `public` or `vpc`.
    pub network: Option<String>,
    /// Tencent: `china` or `intl`.
    pub site: Option<String>,
    /// Aliyun: which CloudMonitor hosts to ask.
    pub cms_regions: Option<Vec<String>>,
}

/// What an account may be written with; see [`Account::read`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    ak_id: String,
    ak_secret: SecretString,
    security_token: Option<SecretString>,
    #[serde(default)]
    extra_tags: BTreeMap<String, String>,
    region: Option<String>,
    role_arn: Option<String>,
    role_session_name: Option<String>,
    external_id: Option<SecretString>,
    endpoint: Option<Endpoint>,
    network: Option<String>,
    site: Option<String>,
    cms_regions: Option<Vec<String>>,
}

impl Account {
    /// Reads the map that a script gives as the first argument of a constructor.
    ///
    /// # Errors
    /// A [`Mistake`] at the key path that is wrong; nothing of a secret's value is in it.
    pub fn read(cloud: Cloud, value: &serde_json::Value) -> Result<Self, Mistake> {
        let written: Written = crate::mistake::read(Argument::Account, value)?;
        let wrong = |path: &str, message: &str| Mistake::new(Argument::Account, path, message);
        for (key, text) in [("ak_id", written.ak_id.as_str()), ("ak_secret", expose(&written.ak_secret))] {
            if text.is_empty() {
                return Err(wrong(
                    key,
                    "is empty: write the key, or DFF.ENV(\"…\") to read it from the environment",
                )
                .hint("where it comes from `DFF.ENV` already, the variable is set, and to nothing"));
            }
            if text.trim() != text || text.chars().any(char::is_control) {
                return Err(wrong(
                    key,
                    "begins or ends with a blank, or holds a line break: copy the key again",
                ));
            }
            if !text.is_ascii() {
                return Err(wrong(
                    key,
                    "holds characters that no access key has: is it still a placeholder?",
                )
                .hint(format!(
                    "put the keys into the environment and write `{key}: DFF.ENV(\"{}_{}\")`",
                    match cloud {
                        Cloud::Aliyun => "ALIYUN",
                        Cloud::Aws => "AWS",
                        Cloud::Tencent => "TENCENTCLOUD",
                    },
                    key.to_uppercase()
                )));
            }
        }
        if written.extra_tags.contains_key("cloud_provider") {
            return Err(Mistake::new(
                Argument::Account,
                "extra_tags.cloud_provider",
                "is set by the collector itself and cannot be an extra tag",
            )
            .hint("remove this key, or name the tag differently"));
        }
        for key in written.extra_tags.keys() {
            if key.trim().is_empty() {
                return Err(wrong("extra_tags", "holds a tag without a name"));
            }
        }
        let only = |key: &str, given: bool, clouds: &[Cloud]| {
            if given && !clouds.contains(&cloud) {
                return Err(wrong(key, &format!("has no meaning for {}", cloud.provider())));
            }
            Ok(())
        };
        only("cms_regions", written.cms_regions.is_some(), &[Cloud::Aliyun])?;
        only("network", written.network.is_some(), &[Cloud::Aliyun, Cloud::Tencent])?;
        only("site", written.site.is_some(), &[Cloud::Tencent])?;
        let one_of = |key: &str, value: &Option<String>, known: &[&str]| match value {
            Some(value) if !known.contains(&value.as_str()) => {
                Err(wrong(key, &format!("is `{value}`, expected one of: {}", known.join(", "))))
            }
            _ => Ok(()),
        };
        one_of("network", &written.network, &["public", "vpc"])?;
        one_of("site", &written.site, &["china", "intl"])?;
        if let Some(regions) = &written.cms_regions {
            if regions.is_empty() {
                return Err(wrong("cms_regions", "is an empty list: no host would be asked")
                    .hint("leave the key out, or write [\"cn-hangzhou\"]"));
            }
            for (index, region) in regions.iter().enumerate() {
                let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
                if region.is_empty() || !region.chars().all(plain) {
                    let path = format!("cms_regions[{index}]");
                    return Err(wrong(
                        &path,
                        &format!("is `{region}`, which is not a region's id such as `cn-hangzhou`"),
                    ));
                }
                if regions[..index].contains(region) {
                    return Err(wrong(
                        &format!("cms_regions[{index}]"),
                        &format!("names `{region}` a second time"),
                    ));
                }
            }
        }
        if written.role_arn.is_none() {
            for (key, given) in [
                ("role_session_name", written.role_session_name.is_some()),
                ("external_id", written.external_id.is_some()),
            ] {
                if given {
                    return Err(wrong(
                        key,
                        "needs `role_arn` beside it: it only matters when a role is assumed",
                    ));
                }
            }
        }
        Ok(Self {
            cloud,
            ak_id: written.ak_id,
            ak_secret: written.ak_secret,
            security_token: written.security_token,
            extra_tags: written
                .extra_tags
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(key, value)| (key.into(), value.into()))
                .mapped(),
            region: written.region,
            role_arn: written.role_arn,
            role_session_name: written.role_session_name,
            external_id: written.external_id,
            endpoint: written.endpoint,
            network: written.network,
            site: written.site,
            cms_regions: written.cms_regions,
        })
    }

    /// Account identity, for linkage, marks, limits and budget: cloud, key id and role.
    #[must_use]
    pub fn identity(&self) -> String {
        match &self.role_arn {
            Some(role) => format!("{}/{}/{role}", self.cloud.key(), self.ak_id),
            None => format!("{}/{}", self.cloud.key(), self.ak_id),
        }
    }
}

/// The one door to a secret's text.
#[must_use]
pub fn expose(secret: &SecretString) -> &str {
    use secrecy::ExposeSecret;
    secret.expose_secret()
}
