//! The `Idempotency-Key` header.

use http::{HeaderMap, HeaderName};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::refusal::Refusal;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The most bytes of a key.
const MAX_LEN: usize = 256;

/// The sender's key, if it sent one: 1 to 256 visible ASCII characters.
pub(super) fn of(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = std::str::from_utf8(value.as_bytes()).ok();
    let visible = |key: &&str| key.bytes().all(|byte| byte.is_ascii_graphic());
    match key.filter(visible).filter(|key| (1..=MAX_LEN).contains(&key.len())) {
        Some(key) => Ok(Some(key)),
        None => Err(Refusal::invalid(
            format!("`Idempotency-Key` must be 1 to {MAX_LEN} visible ASCII characters."),
            IDEMPOTENCY_KEY.as_str(),
        )),
    }
}

/// The name of the session of requests that name none but have this key: the same on every replica, so that a repeated
/// request finds the run of the first.
pub(super) fn session_name(key: &str) -> Uuid {
    let digest = Sha256::digest(key.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}
