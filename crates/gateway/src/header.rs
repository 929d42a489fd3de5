//! Reading request headers. OpenClaw's carry names that may hold any script, so their bytes are read as UTF-8.

use http::{HeaderMap, HeaderName};

use crate::refusal::Refusal;

/// A header's text without the spaces around it; `None` if it is absent or empty.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refusal> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes());
    let text =
        text.map_err(|_| Refusal::invalid(format!("The header `{name}` is not UTF-8."), name.as_str()))?;
    Ok(Some(text.trim()).filter(|text| !text.is_empty()))
}

/// The token of `Authorization: Bearer <token>`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(http::header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_bearer_tokens() {
        for (value, want) in [
            ("Bearer a", Some(&b"a"[..])),
            ("bearer  a ", Some(b"a")),
            ("Bearer ", None),
            ("Bearer", None),
            ("Basic YTpi", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, value.parse().unwrap())]);
            assert_eq!(bearer(&headers), want, "{value:?}");
        }
    }
}
