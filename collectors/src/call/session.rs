//! Keys that sign, and the temporary ones of assumed roles: one set for each account identity of the process.
//!
//! Owns who asks for them: one caller at a time, the others wait for what it gets, failure included. Knows no cloud: how a role
//! is assumed comes as a future.

use super::CallError;
use secrecy::SecretString;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// Keys that sign, long-lived or temporary.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The access key's id.
    pub access_key: String,
    /// Its secret.
    pub secret_key: SecretString,
    /// Goes with temporary keys: sent and signed.
    pub session_token: Option<SecretString>,
    /// Nanoseconds since 1970; none for keys that do not expire.
    pub expires: Option<i64>,
}

/// What one identity holds.
#[derive(Debug, Default)]
struct Held {
    /// What the keys were asked with: other keys of the same identity, such as a mended secret, ask anew.
    digest: u64,
    keys: Option<Credentials>,
    failed: Option<(Instant, CallError)>,
}

/// The temporary keys of a process, by account identity.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<String, Arc<tokio::sync::Mutex<Held>>>>);

impl Sessions {
    /// The keys of an identity: those held while `valid`, else what `assume` gets.
    ///
    /// # Errors
    /// What `assume` failed with; those who waited for that flight share its failure instead of repeating it.
    pub(crate) async fn get(
        &self,
        identity: &str,
        digest: u64,
        valid: impl Fn(&Credentials) -> bool,
        assume: impl Future<Output = Result<Credentials, CallError>>,
    ) -> Result<Credentials, CallError> {
        let asked = Instant::now();
        let slot = self.slot(identity);
        // Held while the role is assumed, on purpose: this is the line in which the others of this identity wait.
        let mut held = slot.lock().await;
        if held.digest == digest {
            if let Some(keys) = held.keys.as_ref().filter(|keys| valid(keys)) {
                return Ok(keys.clone());
            }
            if let Some((_, error)) = held.failed.as_ref().filter(|(at, _)| *at > asked) {
                return Err(error.clone());
            }
        }
        let result = assume.await;
        *held = Held {
            digest,
            keys: result.as_ref().ok().cloned(),
            failed: result.as_ref().err().map(|error| (Instant::now(), error.clone())),
        };
        result
    }

    /// Lets go of keys that a cloud no longer takes; others that came in their place stay.
    pub(crate) async fn forget(&self, identity: &str, refused: &Credentials) {
        let slot = self.slot(identity);
        let mut held = slot.lock().await;
        if held.keys.as_ref().is_some_and(|keys| keys.access_key == refused.access_key) {
            held.keys = None;
        }
    }

    fn slot(&self, identity: &str) -> Arc<tokio::sync::Mutex<Held>> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry(identity.to_owned()).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Cloud;
    use crate::call::Fault;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    fn keys(name: &str) -> Credentials {
        Credentials {
            access_key: name.into(),
            secret_key: "secret".into(),
            session_token: None,
            expires: None,
        }
    }

    fn failure() -> CallError {
        CallError {
            cloud: Cloud::Aws,
            service: "sts".into(),
            action: "AssumeRole".into(),
            region: String::new(),
            fault: Fault::Denied,
            code: "AccessDenied".into(),
            message: String::new(),
            request_id: None,
            attempts: 1,
            hint: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_asks_and_all_get_the_same_also_when_it_fails() {
        for fails in [false, true] {
            let sessions = Arc::new(Sessions::default());
            let asked = Arc::new(AtomicUsize::new(0));
            let ask = |sessions: Arc<Sessions>, asked: Arc<AtomicUsize>| async move {
                let assume = async {
                    asked.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    if fails { Err(failure()) } else { Ok(keys("one")) }
                };
                sessions.get("aws/A/role", 1, |_| true, assume).await.is_ok()
            };
            let all: Vec<_> = (0..10).map(|_| tokio::spawn(ask(sessions.clone(), asked.clone()))).collect();
            for one in all {
                assert_eq!(one.await.unwrap(), !fails);
            }
            assert_eq!(asked.load(Ordering::SeqCst), 1);
            // Whoever comes after a failure tries for itself; keys that are held serve.
            assert_eq!(ask(sessions.clone(), asked.clone()).await, !fails);
            assert_eq!(asked.load(Ordering::SeqCst), if fails { 2 } else { 1 });
        }
    }

    #[tokio::test]
    async fn keys_are_asked_anew_when_old_mended_or_refused() {
        let sessions = Sessions::default();
        let get = async |digest, valid: bool, name: &str| {
            let found = sessions.get("aws/A/role", digest, |_| valid, async { Ok(keys(name)) }).await;
            found.unwrap().access_key
        };
        assert_eq!(get(1, true, "one").await, "one");
        assert_eq!(get(1, true, "two").await, "one");
        assert_eq!(get(1, false, "three").await, "three", "no longer valid");
        assert_eq!(get(2, true, "four").await, "four", "asked with another secret");
        sessions.forget("aws/A/role", &keys("three")).await;
        assert_eq!(get(2, true, "five").await, "four", "others were refused");
        sessions.forget("aws/A/role", &keys("four")).await;
        assert_eq!(get(2, true, "six").await, "six");
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_while_asking_blocks_nobody_and_accounts_do_not_wait_for_each_other() {
        let sessions = Arc::new(Sessions::default());
        let hanging = {
            let sessions = sessions.clone();
            tokio::spawn(async move { sessions.get("aws/A/role", 1, |_| true, std::future::pending()).await })
        };
        tokio::task::yield_now().await;
        let other = sessions.get("aws/B/role", 1, |_| true, async { Ok(keys("B")) }).await;
        assert_eq!(other.unwrap().access_key, "B");
        hanging.abort();
        let own = sessions.get("aws/A/role", 1, |_| true, async { Ok(keys("A")) }).await;
        assert_eq!(own.unwrap().access_key, "A");
    }
}
