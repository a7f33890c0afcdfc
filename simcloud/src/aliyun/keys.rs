//! Access keys: long-lived, temporary, of roles, disabled; and what is said to those that do not work.

use super::{Refusal, refuse};
use std::collections::BTreeMap;

/// The main account's number.
pub(super) const ACCOUNT: &str = "1234567890123456";

/// The keys that work, and those that do not.
#[derive(Clone, Debug)]
pub struct AliyunKeys {
    /// A long-lived key of a RAM user.
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
    /// A temporary key.
    pub temporary_access_key: String,
    /// Its secret.
    pub temporary_secret_key: String,
    /// The token that goes with it.
    pub security_token: String,
    /// The token of temporary keys that have expired; id and secret are those above.
    pub expired_token: String,
    /// A role that the long-lived key may assume.
    pub role_arn: String,
    /// What its trust policy asks for.
    pub external_id: String,
    /// A key that was switched off; its secret is that of the long-lived one.
    pub disabled_access_key: String,
    /// The account's number, the dimension `userId` of every metric.
    pub user_id: String,
}

/// A key that signs.
#[derive(Clone, Debug)]
struct Key {
    secret: String,
    token: Option<String>,
    /// Seconds since 1970.
    expires: Option<i64>,
    active: bool,
    /// Its role, of the form `name/session`.
    role: Option<String>,
}

/// All keys.
#[derive(Debug)]
pub(super) struct KeyRing {
    pub(super) named: AliyunKeys,
    keys: BTreeMap<String, Vec<Key>>,
    roles: u64,
}

/// The keys of a role.
pub(super) struct Assumed {
    pub(super) access_key: String,
    pub(super) secret: String,
    pub(super) token: String,
}

impl KeyRing {
    pub(super) fn new(now: i64) -> Self {
        let named = AliyunKeys {
            access_key: "LTAI5tSIMCLOUD0000000001".into(),
            secret_key: "SimcloudAliyunSecret0000000001".into(),
            temporary_access_key: "STS.NSIMCLOUD0000000000000002".into(),
            temporary_secret_key: "SimcloudTemporarySecret000000000000000000002".into(),
            security_token: "CAISsimcloudToken//+==0123456789abcdefghijklmnopqrstuvwxyz".into(),
            expired_token: "CAISsimcloudExpired//+==0123456789abcdefghijklmnopqrstuvwxyz".into(),
            role_arn: format!("acs:ram::{ACCOUNT}:role/funchost"),
            external_id: "simcloud-external-id".into(),
            disabled_access_key: "LTAI5tSIMCLOUD0000000009".into(),
            user_id: ACCOUNT.into(),
        };
        let key = |secret: &str| Key {
            secret: secret.to_owned(),
            token: None,
            expires: None,
            active: true,
            role: None,
        };
        let temporary = |token: &str, expires: i64| Key {
            token: Some(token.to_owned()),
            expires: Some(expires),
            ..key(&named.temporary_secret_key)
        };
        let keys = BTreeMap::from([
            (named.access_key.clone(), vec![key(&named.secret_key)]),
            (named.disabled_access_key.clone(), vec![Key { active: false, ..key(&named.secret_key) }]),
            (
                named.temporary_access_key.clone(),
                vec![
                    temporary(&named.security_token, now + 30 * 86_400),
                    temporary(&named.expired_token, now - 60),
                ],
            ),
        ]);
        Self { named, keys, roles: 0 }
    }

    /// The secret of a key that comes with this token.
    pub(super) fn secret(&self, access_key: &str, token: Option<&str>, now: i64) -> Result<String, Refusal> {
        let keys = self.keys.get(access_key).ok_or_else(|| {
            refuse(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
        })?;
        if keys.iter().all(|key| !key.active) {
            return Err(refuse(400, "InvalidAccessKeyId.Inactive", "Specified access key is disabled."));
        }
        let temporary = keys.iter().any(|key| key.token.is_some());
        let key = keys.iter().find(|key| key.token.as_deref() == token).ok_or_else(|| {
            match (temporary, token) {
                (true, None) => {
                    refuse(400, "MissingSecurityToken", "SecurityToken is mandatory for this action.")
                }
                (true, Some(_)) => {
                    refuse(400, "InvalidSecurityToken.Malformed", "Specified SecurityToken is malformed.")
                }
                (false, _) => refuse(
                    400,
                    "InvalidSecurityToken.MismatchWithAccessKey",
                    "Specified SecurityToken mismatch with the AccessKey.",
                ),
            }
        })?;
        if key.expires.is_some_and(|expires| expires <= now) {
            return Err(expired_token());
        }
        Ok(key.secret.clone())
    }

    /// The same as OSS says it: of no token and of a token too many, that it does not know the key.
    pub(super) fn storage_secret(
        &self,
        access_key: &str,
        token: Option<&str>,
        now: i64,
    ) -> Result<String, Refusal> {
        let unknown = |number: &'static str| Refusal {
            number,
            ..refuse(
                403,
                "InvalidAccessKeyId",
                "The OSS Access Key Id you provided does not exist in our records.",
            )
        };
        self.secret(access_key, token, now).map_err(|refusal| match refusal.code.as_str() {
            "InvalidSecurityToken.Malformed" => Refusal {
                number: "0002-00000004",
                ..refuse(403, "InvalidSecurityToken", "The security token you provided is invalid.")
            },
            "InvalidSecurityToken.Expired" => super::for_storage(refusal),
            "MissingSecurityToken" | "InvalidSecurityToken.MismatchWithAccessKey" => unknown("0002-00000002"),
            _ => unknown("0002-00000040"),
        })
    }

    /// New keys for a role.
    pub(super) fn assume(&mut self, role: &str, expires: i64) -> Assumed {
        self.roles += 1;
        let number = self.roles;
        let assumed = Assumed {
            access_key: format!("STS.NROLE{number:016}"),
            secret: format!("SimcloudRoleSecret{number:026}"),
            token: format!("CAISrole//+=={number:040}"),
        };
        let key = Key {
            secret: assumed.secret.clone(),
            token: Some(assumed.token.clone()),
            expires: Some(expires),
            active: true,
            role: Some(role.to_owned()),
        };
        self.keys.insert(assumed.access_key.clone(), vec![key]);
        assumed
    }

    /// Ends all sessions of roles before their time, as a person does who revokes them.
    pub(super) fn revoke_roles(&mut self) {
        for key in self.keys.values_mut().flatten().filter(|key| key.role.is_some()) {
            key.expires = Some(0);
        }
    }

    /// The role of a key, of the form `name/session`.
    pub(super) fn role_of(&self, access_key: &str) -> Option<&str> {
        self.keys.get(access_key)?.iter().find_map(|key| key.role.as_deref())
    }
}

pub(super) fn expired_token() -> Refusal {
    refuse(400, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")
}
