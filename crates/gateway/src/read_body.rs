//! Reading a request's body within bounds of size, of time, and of what all bodies together may take.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Limits;
use crate::refusal::Refusal;

/// Bytes in a unit of the room for bodies.
pub(crate) const ROOM_UNIT: usize = 1 << 10;

/// A body in memory, with its share of the room for bodies.
pub(crate) struct ReadBody {
    /// The body.
    pub(crate) bytes: Bytes,
    /// Dropping it gives the share back.
    pub(crate) room: OwnedSemaphorePermit,
}

/// Reads a JSON body. A body whose announced length is too large is refused before its first byte.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Incoming,
    limits: &Limits,
    room: &Arc<Semaphore>,
) -> Result<ReadBody, Refusal> {
    if !is_plain_json(headers) {
        return Err(Refusal::not_json());
    }
    let announced = body.size_hint().lower();
    if announced > limits.body_bytes as u64 {
        return Err(Refusal::body_too_large(limits.body_bytes));
    }
    let announced = usize::try_from(announced).unwrap_or(limits.body_bytes);
    let taken = take_room(room, announced)?;
    let reading = collect(body, announced, taken, limits.body_bytes, room);
    tokio::time::timeout(limits.body_timeout, reading).await.unwrap_or_else(|_| Err(Refusal::body_too_slow()))
}

/// Takes all of a body. One whose length was not announced takes more room as it grows.
async fn collect(
    mut body: Incoming,
    announced: usize,
    mut taken: OwnedSemaphorePermit,
    limit: usize,
    room: &Arc<Semaphore>,
) -> Result<ReadBody, Refusal> {
    let mut bytes = BytesMut::with_capacity(announced);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::malformed("The body broke off."))?;
        let Ok(data) = frame.into_data() else { continue };
        let length = bytes.len() + data.len();
        if length > limit {
            return Err(Refusal::body_too_large(limit));
        }
        let has_room = taken.num_permits() * ROOM_UNIT;
        if length > has_room {
            taken.merge(take_room(room, length - has_room)?);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(ReadBody { bytes: bytes.freeze(), room: taken })
}

fn take_room(room: &Arc<Semaphore>, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
    let units = u32::try_from(bytes.div_ceil(ROOM_UNIT)).unwrap_or(u32::MAX);
    Arc::clone(room).try_acquire_many_owned(units).map_err(|_| Refusal::no_room())
}

/// The body is JSON, or does not say what it is; and it is not compressed, because its size could not be bounded then.
fn is_plain_json(headers: &HeaderMap) -> bool {
    let plain = headers.get(header::CONTENT_ENCODING).is_none_or(|encoding| encoding == "identity");
    let json = headers.get(header::CONTENT_TYPE).is_none_or(|kind| {
        let essence = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
        essence.trim().eq_ignore_ascii_case("application/json")
    });
    plain && json
}
