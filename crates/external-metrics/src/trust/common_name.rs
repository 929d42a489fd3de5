//! The common name in a certificate, which is what the API server's list of allowed names is about.

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Tag, Tagged};

/// The attribute that holds it.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// The common name of the certificate's subject: the last one, if there are several.
pub(super) fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let mut attributes = certificate.tbs_certificate.subject.0.iter().flat_map(|part| part.0.iter());
    let name = attributes.rfind(|attribute| attribute.oid == COMMON_NAME)?;
    // Other encodings are not text that can be compared byte by byte.
    let readable = matches!(name.value.tag(), Tag::Utf8String | Tag::PrintableString | Tag::Ia5String);
    let text = std::str::from_utf8(name.value.value()).ok().filter(|_| readable)?;
    Some(text.to_owned())
}
