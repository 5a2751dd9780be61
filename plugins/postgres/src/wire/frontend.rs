//! What a client says.

/// Version 3.0; all servers since 7.4 speak it.
const PROTOCOL: i32 = 3 << 16;

/// Takes the place of a version in the request for TLS.
const TLS_REQUEST: i32 = 80_877_103;

/// Opens the session.
pub fn startup(parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = PROTOCOL.to_be_bytes().to_vec();
    for (name, value) in parameters {
        push_text(&mut body, name);
        push_text(&mut body, value);
    }
    body.push(0);
    with_length(&[], &body)
}

/// Asks for TLS: the server answers with one byte, `S` or `N`.
pub fn tls_request() -> Vec<u8> {
    with_length(&[], &TLS_REQUEST.to_be_bytes())
}

/// A password, or `md5`'s answer.
pub fn password(text: &str) -> Vec<u8> {
    let mut body = Vec::with_capacity(text.len() + 1);
    push_text(&mut body, text);
    with_length(b"p", &body)
}

/// The first message of a SASL exchange.
pub fn sasl_initial(mechanism: &str, data: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(mechanism.len() + data.len() + 5);
    push_text(&mut body, mechanism);
    body.extend(length(data.len()));
    body.extend(data);
    with_length(b"p", &body)
}

/// A later message of a SASL exchange.
pub fn sasl_response(data: &[u8]) -> Vec<u8> {
    with_length(b"p", data)
}

/// Statements, separated by `;`.
pub fn query(sql: &str) -> Vec<u8> {
    let mut body = Vec::with_capacity(sql.len() + 1);
    push_text(&mut body, sql);
    with_length(b"Q", &body)
}

/// A piece of a COPY in our direction.
pub fn copy_data(data: &[u8]) -> Vec<u8> {
    with_length(b"d", data)
}

/// The end of a COPY in our direction.
pub fn copy_done() -> Vec<u8> {
    with_length(b"c", &[])
}

/// Ends the session.
pub fn terminate() -> Vec<u8> {
    with_length(b"X", &[])
}

/// Texts end with a zero byte, so one within would cut them: it goes.
fn push_text(body: &mut Vec<u8>, text: &str) {
    body.extend(text.bytes().filter(|byte| *byte != 0));
    body.push(0);
}

fn with_length(tag: &[u8], body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(tag.len() + 4 + body.len());
    message.extend(tag);
    message.extend(length(body.len() + 4));
    message.extend(body);
    message
}

/// Nothing that a client of ours says comes near two gigabytes.
fn length(bytes: usize) -> [u8; 4] {
    i32::try_from(bytes).unwrap_or(i32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_the_bytes_that_psql_sends() {
        assert_eq!(
            startup(&[("user", "ada"), ("database", "factory")]),
            b"\0\0\0\x23\0\x03\0\0user\0ada\0database\0factory\0\0"
        );
        assert_eq!(tls_request(), [0, 0, 0, 8, 4, 210, 22, 47]);
        assert_eq!(query("SELECT 1"), b"Q\0\0\0\x0dSELECT 1\0");
        assert_eq!(sasl_initial("SCRAM-SHA-256", b"n,,"), b"p\0\0\0\x19SCRAM-SHA-256\0\0\0\0\x03n,,");
        assert_eq!(terminate(), b"X\0\0\0\x04");
    }

    #[test]
    fn a_zero_byte_cannot_smuggle_a_second_parameter() {
        assert_eq!(password("a\0b"), b"p\0\0\0\x07ab\0");
    }
}
