//! Functions of URLs, as RFC 3986 takes them apart. Null for what is none, and for a part that it does not have.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
use datafusion::arrow::datatypes::DataType::{self, Int64, Utf8};
use datafusion::common::{Result, exec_err};
use regex::{Captures, Regex};

use crate::engine::dialect::Functions;
use crate::engine::functions::Kind::Text;
use crate::engine::functions::Returns::Always;
use crate::engine::functions::{Function, Rows};

/// Scheme, authority, path, query and fragment: the expression of RFC 3986, appendix B, without the characters that no URI has.
static URI: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#\s<>"{}|\\^`]*))?([^?#\s<>"{}|\\^`]*)(?:\?([^#\s<>"{}|\\^`]*))?(?:#([^\s<>"{}|\\^`]*))?$"#).ok()
});

/// Registers the functions.
pub(super) fn register(all: &mut Functions) {
    let functions: [(&'static str, Rows); 7] = [
        ("url_encode", encoded),
        ("url_decode", decoded),
        ("url_extract_protocol", |arguments, _| part(&arguments[0], |uri| text(uri, 1))),
        ("url_extract_host", |arguments, _| part(&arguments[0], |uri| host_and_port(uri).0)),
        ("url_extract_path", |arguments, _| part(&arguments[0], |uri| Some(unescaped(&text(uri, 3)?, false)))),
        ("url_extract_query", |arguments, _| {
            part(&arguments[0], |uri| text(uri, 4).map(|text| unescaped(&text, false)))
        }),
        ("url_extract_fragment", |arguments, _| {
            part(&arguments[0], |uri| text(uri, 5).map(|text| unescaped(&text, false)))
        }),
    ];
    for (name, rows) in functions {
        all.scalar(&[name], &Function::new(name, &[Text], Always(Utf8), rows).build());
    }
    all.scalar(&["url_extract_port"], &Function::new("url_extract_port", &[Text], Always(Int64), port).build());
    let parameter = Function::new("url_extract_parameter", &[Text, Text], Always(Utf8), parameter);
    all.scalar(&["url_extract_parameter"], &parameter.build());
}

fn text(uri: &Captures<'_>, group: usize) -> Option<String> {
    uri.get(group).map(|found| found.as_str().to_owned())
}

fn part(urls: &ArrayRef, part: impl Fn(&Captures<'_>) -> Option<String>) -> Result<ArrayRef> {
    let parts: StringArray = urls.as_string::<i32>().iter().map(|url| part(&URI.as_ref()?.captures(url?)?)).collect();
    Ok(Arc::new(parts))
}

fn host_and_port(uri: &Captures<'_>) -> (Option<String>, Option<i64>) {
    let Some(authority) = uri.get(2).map(|found| found.as_str()).filter(|found| !found.is_empty()) else {
        return (None, None);
    };
    let authority = authority.rsplit_once('@').map_or(authority, |(_, after)| after);
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            (Some(host.to_owned()), port.parse().ok())
        }
        _ => (Some(authority.to_owned()), None),
    }
}

fn port(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let urls = arguments[0].as_string::<i32>();
    let ports: Int64Array = urls.iter().map(|url| host_and_port(&URI.as_ref()?.captures(url?)?).1).collect();
    Ok(Arc::new(ports))
}

/// The first parameter of that name; without a value it is an empty text.
fn parameter(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let (urls, names) = (arguments[0].as_string::<i32>(), arguments[1].as_string::<i32>());
    let found: StringArray = urls
        .iter()
        .zip(names)
        .map(|(url, name)| {
            let (url, name) = (url?, name?);
            let query = text(&URI.as_ref()?.captures(url)?, 4)?;
            let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            pairs.find(|(key, _)| unescaped(key, true) == name).map(|(_, value)| unescaped(value, true))
        })
        .collect();
    Ok(Arc::new(found))
}

/// As forms are: a blank is `+`; letters, digits and `-_.*` stay.
fn encoded(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let encoded: StringArray = arguments[0]
        .as_string::<i32>()
        .iter()
        .map(|text| {
            let bytes = text?.bytes().map(|byte| match byte {
                b' ' => "+".to_owned(),
                b'-' | b'_' | b'.' | b'*' => char::from(byte).to_string(),
                byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            });
            Some(bytes.collect::<String>())
        })
        .collect();
    Ok(Arc::new(encoded))
}

fn decoded(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let mut decoded = Vec::with_capacity(arguments[0].len());
    for text in arguments[0].as_string::<i32>() {
        decoded.push(match text {
            Some(text) if !escapes_are_whole(text) => {
                return exec_err!("the text '{text}' is no encoded URL: `%` comes before two hexadecimal digits");
            }
            Some(text) => Some(unescaped(text, true)),
            None => None,
        });
    }
    Ok(Arc::new(StringArray::from(decoded)))
}

fn escapes_are_whole(text: &str) -> bool {
    text.split('%')
        .skip(1)
        .all(|after| after.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)))
}

fn unescaped(text: &str, plus_is_blank: bool) -> String {
    let text = if plus_is_blank { text.replace('+', " ") } else { text.to_owned() };
    percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned()
}
