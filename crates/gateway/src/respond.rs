//! Building responses.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::body::Body;

/// Permissions that pages served from here would have; the value is OpenClaw's.
const PERMISSIONS: &str = "camera=(), microphone=(self), geolocation=()";

/// A response of JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let mut bytes = Vec::with_capacity(512);
    if let Err(error) = serde_json::to_writer(&mut bytes, value) {
        // The types of this crate have string keys and finite numbers; were that to change, the client learns it.
        tracing::error!(%error, "a response could not be written");
        return whole(StatusCode::INTERNAL_SERVER_ERROR, Bytes::new(), "application/json");
    }
    whole(status, bytes.into(), "application/json")
}

/// A response of plain text.
pub(crate) fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    whole(status, Bytes::from_static(text.as_bytes()), "text/plain; charset=utf-8")
}

/// 405 in plain text, as OpenClaw answers.
pub(crate) fn method_not_allowed(allow: &'static str) -> Response<Body> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// A response whose body is pulled.
pub(crate) fn pulled(body: Body, content_type: &'static str) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Adds what every response carries.
pub(crate) fn secure(headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("permissions-policy", HeaderValue::from_static(PERMISSIONS));
}

fn whole(status: StatusCode, bytes: Bytes, content_type: &'static str) -> Response<Body> {
    let length = HeaderValue::from(bytes.len());
    let mut response = Response::new(Body::Whole(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(header::CONTENT_LENGTH, length);
    response
}
