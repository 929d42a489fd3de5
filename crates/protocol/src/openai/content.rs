//! Message content: a string or a list of parts; images inside it as base64 data URLs.

use serde_json::Value;

use super::Invalid;
use super::place::Place;
use super::value::Fields;
use crate::Part;

/// The most images of one message (OpenClaw's limit).
const MAX_IMAGES: usize = 8;

/// The most bytes of one image, decoded.
const MAX_IMAGE_BYTES: usize = 10 << 20;

/// The most bytes of all images of a request, decoded.
const MAX_IMAGES_BYTES: usize = 20 << 20;

/// How much room for images a request has left.
#[derive(Debug)]
pub(super) struct ImageRoom {
    bytes: usize,
}

impl ImageRoom {
    /// The room of a request without images.
    pub(super) fn new() -> Self {
        Self { bytes: MAX_IMAGES_BYTES }
    }
}

/// The text of content that cannot hold images.
pub(super) fn text_only(content: Value, place: &Place<'_>) -> Result<String, Invalid> {
    let parts = match content {
        Value::String(text) => return Ok(text),
        Value::Array(parts) => parts,
        _ => return Err(place.refuse("must be a string or an array of parts")),
    };
    let mut texts = Vec::with_capacity(parts.len());
    for (index, part) in parts.into_iter().enumerate() {
        let place = place.index(index);
        let mut part = Fields::of(part, &place)?;
        let field = match part.required_string("type")?.as_str() {
            "text" => "text",
            "refusal" => "refusal",
            other => {
                return Err(part.refuse("type", format_args!("is `{other}`; only text is possible here")));
            }
        };
        texts.push(part.string(field)?.ok_or_else(|| part.refuse(field, "is required"))?);
    }
    Ok(texts.join("\n"))
}

/// The parts of a user message.
pub(super) fn parts(content: Value, place: &Place<'_>, room: &mut ImageRoom) -> Result<Vec<Part>, Invalid> {
    let list = match content {
        Value::String(text) => return Ok(vec![Part::Text { text }]),
        Value::Array(list) if list.is_empty() => return Err(place.refuse("must not be empty")),
        Value::Array(list) => list,
        _ => return Err(place.refuse("must be a string or an array of parts")),
    };
    let mut parts = Vec::with_capacity(list.len());
    let mut images = 0;
    for (index, value) in list.into_iter().enumerate() {
        let place = place.index(index);
        let part = part(Fields::of(value, &place)?, room)?;
        images += usize::from(matches!(part, Part::Image { .. }));
        if images > MAX_IMAGES {
            return Err(
                place.refuse(format_args!("is one image too many: a message has at most {MAX_IMAGES}"))
            );
        }
        parts.push(part);
    }
    Ok(parts)
}

fn part(mut part: Fields<'_>, room: &mut ImageRoom) -> Result<Part, Invalid> {
    match part.required_string("type")?.as_str() {
        "text" => {
            let text = part.string("text")?.ok_or_else(|| part.refuse("text", "is required"))?;
            Ok(Part::Text { text })
        }
        "image_url" => {
            let place = part.place.field("image_url");
            let mut image = Fields::of(part.required("image_url")?, &place)?;
            let url = image.required_string("url")?;
            image_of(url, room).map_err(|problem| image.refuse("url", problem))
        }
        other => Err(part.refuse("type", format_args!("is `{other}`; `text` and `image_url` are supported"))),
    }
}

/// The image of a data URL. The base64 text stays in the string that it came in.
fn image_of(mut url: String, room: &mut ImageRoom) -> Result<Part, String> {
    let Some((head, data)) = url.strip_prefix("data:").and_then(|rest| rest.split_once(',')) else {
        return Err(
            "must be a data URL with the image in base64; images are not fetched from other URLs".into()
        );
    };
    let mut attributes = head.split(';');
    let media_type = attributes.next().unwrap_or_default().to_ascii_lowercase();
    let subtype = media_type.strip_prefix("image/").unwrap_or_default();
    let is_token = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-');
    if subtype.is_empty() || !subtype.bytes().all(is_token) {
        return Err("must name an image type, such as `data:image/png;base64,`".into());
    }
    if !attributes.any(|attribute| attribute.eq_ignore_ascii_case("base64")) {
        return Err("must be in base64".into());
    }
    let digits = data.trim_end_matches('=').len();
    let bytes = decoded_len(data.as_bytes(), digits).ok_or("is not valid base64")?;
    if bytes > MAX_IMAGE_BYTES {
        return Err(format!("is an image of {bytes} bytes; at most {MAX_IMAGE_BYTES} are possible"));
    }
    let left = room.bytes.checked_sub(bytes);
    room.bytes = left.ok_or_else(|| format!("takes the request's images over {MAX_IMAGES_BYTES} bytes"))?;
    url.drain(..url.len() - data.len());
    url.truncate(digits);
    url.extend(std::iter::repeat_n('=', (4 - digits % 4) % 4));
    Ok(Part::Image { media_type, data: url })
}

/// The length of what `data` decodes to, whose first `digits` bytes are not padding; `None` if it is not standard
/// base64. Missing padding is no fault.
fn decoded_len(data: &[u8], digits: usize) -> Option<usize> {
    let padding = data.len() - digits;
    let wanted = (4 - digits % 4) % 4;
    let in_alphabet = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    let well_formed = digits > 0 && wanted != 3 && (padding == 0 || padding == wanted);
    (well_formed && data[..digits].iter().all(in_alphabet)).then_some(digits * 3 / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_data_urls() {
        for (url, want) in [
            ("data:image/png;base64,QUJD", Ok(("image/png", "QUJD"))),
            ("data:image/PNG;name=a;BASE64,QUI", Ok(("image/png", "QUI="))),
            ("data:image/svg+xml;base64,QQ==", Ok(("image/svg+xml", "QQ=="))),
            ("https://example.org/a.png", Err("data URL")),
            ("data:text/plain;base64,QUJD", Err("image type")),
            ("data:image/png,QUJD", Err("in base64")),
            ("data:image/png;base64,", Err("not valid")),
            ("data:image/png;base64,Q", Err("not valid")),
            ("data:image/png;base64,QQ=", Err("not valid")),
            ("data:image/png;base64,QU\nD", Err("not valid")),
        ] {
            match (image_of(url.to_owned(), &mut ImageRoom::new()), want) {
                (Ok(Part::Image { media_type, data }), Ok(want)) => {
                    assert_eq!((media_type.as_str(), data.as_str()), want);
                }
                (Err(problem), Err(want)) => assert!(problem.contains(want), "{url}: {problem}"),
                (got, _) => panic!("{url}: {got:?}"),
            }
        }
    }

    #[test]
    fn images_share_the_room_of_a_request() {
        let mut room = ImageRoom { bytes: 5 };
        let url = || "data:image/png;base64,QUJD".to_owned();
        assert!(image_of(url(), &mut room).is_ok());
        assert!(image_of(url(), &mut room).unwrap_err().contains("takes the request's images over"));
        let large = format!("data:image/png;base64,{}", "A".repeat(14 << 20));
        assert!(image_of(large, &mut ImageRoom::new()).unwrap_err().contains("at most 10485760"));
    }
}
