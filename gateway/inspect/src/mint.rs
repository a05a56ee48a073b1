//! Certificates for clients, minted once and kept for a while.
//!
//! What is kept has a bound in bytes and one in number; what is used often stays. Whoever asks for a certificate that
//! another is minting waits for that one: threads wait, not tasks, as it takes some fifty microseconds (a tenth of a second
//! once in the life of a process, when the RSA key is made).

mod key;

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use certify::{Authority, CertifyError, DAY, Defect, KeyType, Moment, Press, Shown};
use quick_cache::sync::{Cache, GuardResult};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::{CertifiedKey, SigningKey};

use key::Key;

/// How many bytes of certificates are kept, in sixty processes half a gigabyte at worst.
const MAX_BYTES: u64 = 8 << 20;

/// How many at most: each counts for at least its share of the bytes.
const MAX_ENTRIES: u64 = 4_096;

/// A certificate is minted anew after a day, so that no client meets one that is about to end.
const FRESH: i64 = DAY;

/// What a client is shown.
#[derive(Clone, Debug)]
pub struct Presented {
    pub(crate) key: Arc<CertifiedKey>,
    pub(crate) defect: Option<Defect>,
    pub(crate) may_resume: bool,
}

impl Presented {
    /// The same, and every connection begins with it: a client that resumes looks at no certificate, and one that names no
    /// host is the only one who could know whether this is the server that it means.
    #[must_use]
    pub fn anew_each_time(self) -> Self {
        Self { may_resume: false, ..self }
    }

    /// The defect that it mirrors.
    pub fn defect(&self) -> Option<Defect> {
        self.defect
    }

    /// Certificate, chain and key.
    pub fn certified_key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }
}

/// Why there is no certificate. The connection cannot be opened then.
#[derive(Clone, Debug, thiserror::Error)]
#[error("no certificate can be minted: {0}")]
pub struct MintFailed(String);

/// One municipality's certificates.
pub struct Mint {
    press: Press,
    ecdsa: Arc<dyn SigningKey>,
    rsa: OnceLock<Result<Arc<dyn SigningKey>, MintFailed>>,
    kept: Cache<Key, Entry, Weight>,
    minted: AtomicU64,
}

#[derive(Clone)]
struct Entry {
    key: Arc<CertifiedKey>,
    fresh_until: Moment,
}

#[derive(Clone)]
struct Weight;

impl quick_cache::Weighter<Key, Entry> for Weight {
    fn weight(&self, _: &Key, entry: &Entry) -> u64 {
        let bytes: usize = entry.key.cert.iter().map(|certificate| certificate.len()).sum();
        (bytes as u64).max(MAX_BYTES / MAX_ENTRIES)
    }
}

impl Mint {
    /// For one municipality's authority, with keys of its own.
    pub fn new(authority: Authority, now: Moment) -> Result<Self, MintFailed> {
        Self::with_bytes(authority, now, MAX_BYTES)
    }

    fn with_bytes(authority: Authority, now: Moment, max_bytes: u64) -> Result<Self, MintFailed> {
        let press = Press::new(authority, now).map_err(failed)?;
        let ecdsa = signing_key(&press, KeyType::Ecdsa)?;
        let entries = usize::try_from(max_bytes / (MAX_BYTES / MAX_ENTRIES)).unwrap_or(usize::MAX);
        let kept = Cache::with_weighter(entries, max_bytes, Weight);
        Ok(Self { press, ecdsa, rsa: OnceLock::new(), kept, minted: AtomicU64::new(0) })
    }

    /// The certificate for what a server has shown.
    pub fn certificate(
        &self,
        shown: &Shown,
        defect: Option<Defect>,
        key_type: KeyType,
        now: Moment,
    ) -> Result<Presented, MintFailed> {
        let key = Key::new(shown, defect, key_type);
        loop {
            match self.kept.get_value_or_guard(&key, None) {
                GuardResult::Value(entry) if now < entry.fresh_until => {
                    return Ok(Presented { key: entry.key, defect, may_resume: defect.is_none() });
                }
                GuardResult::Value(stale) => {
                    self.kept.remove_if(&key, |entry| Arc::ptr_eq(&entry.key, &stale.key));
                }
                GuardResult::Guard(guard) => {
                    let entry = self.mint(shown, defect, key_type, now)?;
                    // Refused only if someone emptied the cache meanwhile.
                    let _ = guard.insert(entry.clone());
                    return Ok(Presented { key: entry.key, defect, may_resume: defect.is_none() });
                }
                GuardResult::Timeout => {}
            }
        }
    }

    /// How many certificates were minted, for metrics.
    pub fn minted(&self) -> u64 {
        self.minted.load(Ordering::Relaxed)
    }

    /// How many are kept, for metrics.
    pub fn kept(&self) -> usize {
        self.kept.len()
    }

    fn mint(&self, shown: &Shown, defect: Option<Defect>, key_type: KeyType, now: Moment) -> Result<Entry, MintFailed> {
        let minted = self.press.mint(shown, defect, key_type, now).map_err(failed)?;
        self.minted.fetch_add(1, Ordering::Relaxed);
        let fresh_until = match defect {
            None => now.plus(FRESH).min(minted.until),
            Some(_) => now.plus(FRESH),
        };
        let key = Arc::new(CertifiedKey::new(minted.chain, self.signing_key(key_type)?));
        Ok(Entry { key, fresh_until })
    }

    fn signing_key(&self, key_type: KeyType) -> Result<Arc<dyn SigningKey>, MintFailed> {
        match key_type {
            KeyType::Ecdsa => Ok(self.ecdsa.clone()),
            KeyType::Rsa => self.rsa.get_or_init(|| signing_key(&self.press, KeyType::Rsa)).clone(),
        }
    }
}

fn signing_key(press: &Press, key_type: KeyType) -> Result<Arc<dyn SigningKey>, MintFailed> {
    any_supported_type(&press.key(key_type).map_err(failed)?).map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> MintFailed {
    MintFailed(error.to_string())
}

impl From<CertifyError> for MintFailed {
    fn from(error: CertifyError) -> Self {
        failed(error)
    }
}

#[cfg(test)]
mod tests;
