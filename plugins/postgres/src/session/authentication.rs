//! Proving who we are. The password stays in the host, which answers challenges; only a server that knows nothing better than
//! a cleartext password gets to see it, and then over TLS unless the configuration has switched TLS off.

use asgard_sdk::Error;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::opening::Refused;
use crate::capabilities::Capabilities;
use crate::configuration::{Configuration, TlsMode};
use crate::wire::{MessageStream, ServerError, frontend};

const SCRAM: &str = "SCRAM-SHA-256";
const SCRAM_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// 144 bits, 24 characters: as libpq.
const NONCE_BYTES: usize = 18;

/// Answers the server's challenges until it lets us in.
pub(super) fn authenticate(
    stream: &mut MessageStream,
    capabilities: &dyn Capabilities,
    configuration: &Configuration,
    secure: bool,
) -> Result<(), Refused> {
    loop {
        match challenge(stream)? {
            Challenge::Passed => return Ok(()),
            Challenge::Cleartext => {
                if !secure && configuration.ssl_mode.mode != TlsMode::Disable {
                    return Err(Refused::Other(Error::invalid(
                        "config.ssl_mode",
                        format!(
                            "the server at `{}` wants the password in clear and the connection has no TLS: set `{{\"mode\": \
                             \"require\"}}`",
                            configuration.address()
                        ),
                    )));
                }
                let password = capabilities.reveal(secret(configuration)?)?;
                stream.send(&frontend::password(&password))?;
            }
            Challenge::Md5(salt) => {
                let answer = capabilities.postgres_md5(secret(configuration)?, &configuration.username, &salt)?;
                stream.send(&frontend::password(&answer))?;
            }
            Challenge::Sasl(mechanisms) => scram(stream, capabilities, configuration, &mechanisms)?,
            Challenge::Other(name) => {
                return Err(Refused::Other(Error::Unsupported(format!(
                    "the server at `{}` wants {name} of user `{}`, which this connector does not speak: allow \
                     `scram-sha-256` in its pg_hba.conf",
                    configuration.address(),
                    configuration.username
                ))));
            }
        }
    }
}

fn secret(configuration: &Configuration) -> Result<&str, Error> {
    configuration.password.as_deref().ok_or_else(|| {
        Error::invalid(
            "config.password",
            format!(
                "the server at `{}` asks user `{}` for a password",
                configuration.address(),
                configuration.username
            ),
        )
    })
}

/// What the server wants.
enum Challenge {
    Passed,
    Cleartext,
    Md5([u8; 4]),
    Sasl(Vec<String>),
    Other(&'static str),
}

/// The codes of an authentication message.
const SASL_CONTINUE: u32 = 11;
const SASL_FINAL: u32 = 12;

fn challenge(stream: &mut MessageStream) -> Result<Challenge, Refused> {
    let (code, data) = authentication_message(stream)?;
    Ok(match (code, data.as_slice()) {
        (0, _) => Challenge::Passed,
        (3, _) => Challenge::Cleartext,
        (5, &[a, b, c, d]) => Challenge::Md5([a, b, c, d]),
        (10, names) => {
            let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
            Challenge::Sasl(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
        }
        (2, _) => Challenge::Other("Kerberos 5"),
        (7, _) => Challenge::Other("GSSAPI"),
        (9, _) => Challenge::Other("SSPI"),
        _ => return Err(stream.unexpected(b'R').into()),
    })
}

fn authentication_message(stream: &mut MessageStream) -> Result<(u32, Vec<u8>), Refused> {
    let message = stream.receive()?;
    match (message.tag, message.body.split_first_chunk::<4>()) {
        (b'R', Some((code, data))) => Ok((u32::from_be_bytes(*code), data.to_vec())),
        (b'E', _) => Err(Refused::Server(ServerError::parse(message.body))),
        _ => Err(stream.foreign().into()),
    }
}

/// RFC 5802 and 7677. The user's name is left empty, as PostgreSQL takes the one of the start-up message.
fn scram(
    stream: &mut MessageStream,
    capabilities: &dyn Capabilities,
    configuration: &Configuration,
    mechanisms: &[String],
) -> Result<(), Refused> {
    let secret = secret(configuration)?;
    let offers = |name: &str| mechanisms.iter().any(|offered| offered == name);
    // `p`: bound to this TLS channel, so that nobody in the middle can pass our proof on. `y`: we could, and the server
    // did not offer it; it refuses if it had, and somebody took the offer out. `n`: there is no channel to bind to.
    let (mechanism, header, binding) = match stream.transport().channel_binding() {
        Some(binding) if offers(SCRAM_PLUS) => (SCRAM_PLUS, "p=tls-server-end-point,,", binding),
        Some(_) if offers(SCRAM) => (SCRAM, "y,,", Vec::new()),
        None if offers(SCRAM) => (SCRAM, "n,,", Vec::new()),
        _ => {
            return Err(Refused::Other(Error::Unsupported(format!(
                "the server at `{}` offers {} to log in: this connector speaks {SCRAM}",
                configuration.address(),
                mechanisms.join(", ")
            ))));
        }
    };
    let first = format!("n=,r={}", nonce()?);
    stream.send(&frontend::sasl_initial(mechanism, format!("{header}{first}").as_bytes()))?;

    let server_first = sasl_text(stream, SASL_CONTINUE)?;
    let Some(given) = ServerFirst::parse(&server_first, &first) else { return Err(stream.foreign().into()) };
    let channel = BASE64.encode([header.as_bytes(), &binding].concat());
    let last = format!("c={channel},r={}", given.nonce);
    let message = format!("{first},{server_first},{last}");
    let proof = capabilities.scram_sha_256(secret, &given.salt, given.iterations, message.as_bytes())?;
    let answer = format!("{last},p={}", BASE64.encode(&proof.client_proof));
    stream.send(&frontend::sasl_response(answer.as_bytes()))?;

    let server_last = sasl_text(stream, SASL_FINAL)?;
    let signature = server_last.strip_prefix("v=").and_then(|text| BASE64.decode(text).ok());
    if signature.is_some_and(|signature| signature == proof.server_signature) {
        return Ok(());
    }
    Err(Refused::Other(Error::Unauthenticated(format!(
        "what answers at `{}` does not know the password of user `{}`: it may be another server than it says",
        configuration.address(),
        configuration.username
    ))))
}

fn sasl_text(stream: &mut MessageStream, expected: u32) -> Result<String, Refused> {
    match authentication_message(stream)? {
        (code, data) if code == expected => String::from_utf8(data).map_err(|_| stream.foreign().into()),
        _ => Err(stream.unexpected(b'R').into()),
    }
}

fn nonce() -> Result<String, Error> {
    let mut bytes = [0; NONCE_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| Error::internal(format!("no random numbers: {error}")))?;
    Ok(BASE64.encode(bytes))
}

/// `r=NONCE,s=SALT,i=ITERATIONS`.
struct ServerFirst<'a> {
    nonce: &'a str,
    salt: Vec<u8>,
    iterations: u32,
}

impl<'a> ServerFirst<'a> {
    /// None where it is malformed, or does not go on from our own nonce.
    fn parse(text: &'a str, client_first: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ',');
        let nonce = parts.next()?.strip_prefix("r=")?;
        let salt = BASE64.decode(parts.next()?.strip_prefix("s=")?).ok()?;
        let iterations = parts.next()?.strip_prefix("i=")?.parse().ok()?;
        let own = client_first.split_once("r=")?.1;
        (nonce.len() > own.len() && nonce.starts_with(own)).then_some(Self { nonce, salt, iterations })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_that_is_not_ours_is_refused() {
        let given = ServerFirst::parse("r=abcXYZ,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "n=,r=abc").unwrap();
        assert_eq!((given.nonce, given.salt.len(), given.iterations), ("abcXYZ", 16, 4096));
        for wrong in
            ["r=xbcXYZ,s=W22Z,i=4096", "r=abc,s=W22Z,i=4096", "r=abcXYZ,s=W22Z", "r=abcXYZ,s=?,i=1", "e=other-error"]
        {
            assert!(ServerFirst::parse(wrong, "n=,r=abc").is_none(), "{wrong}");
        }
    }
}
