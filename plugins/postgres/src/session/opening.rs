//! Opening a session: the connection, TLS, start-up, and what goes wrong there in words of the configuration's fields.

use asgard_sdk::Error;
use asgard_sdk::sockets::Verification;

use super::authentication;
use crate::capabilities::Capabilities;
use crate::configuration::{Configuration, TlsMode};
use crate::wire::{MessageStream, ServerError, frontend, quote_identifier};

/// A server that is there answers in milliseconds; a firewall that swallows packets never does.
const CONNECT_TIMEOUT_MS: u32 = 15_000;

/// Another service than PostgreSQL waits for its own protocol's first word, and never answers.
const ANSWER_TIMEOUT_MS: u32 = 20_000;

/// Seen in `pg_stat_activity`.
const APPLICATION: &str = "asgard";

/// One try at opening.
enum Protection {
    Plain,
    /// TLS if the server has it.
    Offered,
    Required(Verification),
}

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Queries,
    /// Statements, and commands of logical replication.
    Replication,
}

pub(super) fn open(
    capabilities: &dyn Capabilities,
    configuration: &Configuration,
    purpose: Purpose,
) -> Result<MessageStream, Error> {
    let attempt = |protection: &Protection| attempt(capabilities, configuration, protection, purpose);
    let protection = match configuration.ssl_mode.mode {
        TlsMode::Disable => Protection::Plain,
        TlsMode::Allow => match attempt(&Protection::Plain) {
            Err(Refused::Server(told)) if wants_tls(&told) => Protection::Required(Verification::None),
            Err(refused) => return Err(refused.into_error(configuration)),
            Ok(stream) => return Ok(stream),
        },
        TlsMode::Prefer => Protection::Offered,
        TlsMode::Require => Protection::Required(Verification::None),
        TlsMode::VerifyCa => Protection::Required(Verification::Authority),
        TlsMode::VerifyFull => Protection::Required(Verification::Full),
    };
    attempt(&protection).map_err(|refused| refused.into_error(configuration))
}

/// Why a try ended.
pub(super) enum Refused {
    Server(ServerError),
    Other(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Refused {
    fn into_error(self, configuration: &Configuration) -> Error {
        let told = match self {
            Self::Other(error) => return error,
            Self::Server(told) => told,
        };
        let (user, address) = (&configuration.username, configuration.address());
        match told.code.as_str() {
            "3D000" => Error::invalid(
                "config.database",
                format!("the server at `{address}` has no database `{}`", configuration.database),
            ),
            "28P01" => Error::Unauthenticated(format!(
                "the server at `{address}` does not accept the password of user `{user}`: check `config.username` and \
                 `config.password`"
            )),
            "28000" if wants_tls(&told) => Error::invalid(
                "config.ssl_mode",
                format!(
                    "the server at `{address}` lets user `{user}` in with TLS only: set `{{\"mode\": \"require\"}}`"
                ),
            ),
            "28000" => {
                Error::Unauthenticated(format!("the server at `{address}` does not let user `{user}` in: {told}"))
            }
            "42501" if told.message.contains("REPLICATION") || told.message.contains("replication") => {
                Error::Forbidden(format!(
                    "user `{user}` may not replicate: ALTER ROLE {} REPLICATION (on Amazon RDS: GRANT rds_replication TO it): {told}",
                    quote_identifier(user)
                ))
            }
            "42501" => Error::Forbidden(format!(
                "user `{user}` may not connect to database `{}` at `{address}`: {told}",
                configuration.database
            )),
            _ => told.into_error(),
        }
    }
}

/// `no pg_hba.conf entry for host "…", user "…", database "…", no encryption`, or `SSL off` before version 14.
fn wants_tls(told: &ServerError) -> bool {
    told.code == "28000" && ["no encryption", "SSL off"].iter().any(|words| told.message.ends_with(words))
}

fn attempt(
    capabilities: &dyn Capabilities,
    configuration: &Configuration,
    protection: &Protection,
    purpose: Purpose,
) -> Result<MessageStream, Refused> {
    let connected = capabilities.connect(&configuration.host, configuration.port, CONNECT_TIMEOUT_MS);
    let transport = connected.map_err(|error| in_field("config.host", error))?;
    let mut stream = MessageStream::new(transport, configuration.address());
    stream.transport().set_timeout(ANSWER_TIMEOUT_MS);
    let secure = match protection {
        Protection::Plain => false,
        Protection::Offered => start_tls(&mut stream, configuration, Verification::None)?,
        Protection::Required(verification) => {
            if !start_tls(&mut stream, configuration, *verification)? {
                return Err(Refused::Other(Error::invalid(
                    "config.ssl_mode",
                    format!(
                        "the server at `{}` has no TLS: switch it on there, or set `{{\"mode\": \"disable\"}}` if the network \
                         between is trusted",
                        configuration.address()
                    ),
                )));
            }
            true
        }
    };
    let mut parameters = vec![
        ("user", configuration.username.as_str()),
        ("database", &configuration.database),
        ("client_encoding", "UTF8"),
        ("application_name", APPLICATION),
    ];
    if purpose == Purpose::Replication {
        parameters.push(("replication", "database"));
    }
    stream.send(&frontend::startup(&parameters))?;
    authentication::authenticate(&mut stream, capabilities, configuration, secure)?;
    loop {
        let message = stream.receive()?;
        match message.tag {
            // The key for cancelling: a sync that is given up drops its connection instead.
            b'K' => {}
            b'Z' => break,
            b'E' => return Err(Refused::Server(ServerError::parse(message.body))),
            tag => return Err(stream.unexpected(tag).into()),
        }
    }
    stream.session_is_open();
    stream.transport().set_timeout(0);
    Ok(stream)
}

/// Whether the server has TLS. Exactly one byte is read, so that nothing sent before the handshake is taken for a part of
/// the protected session.
fn start_tls(
    stream: &mut MessageStream,
    configuration: &Configuration,
    verification: Verification,
) -> Result<bool, Error> {
    stream.send(&frontend::tls_request())?;
    let answer = stream.transport().read(1)?;
    match answer.as_slice() {
        b"S" => {
            let authority = configuration.ssl_mode.ca_certificate.as_deref();
            stream
                .transport()
                .start_tls(verification, authority)
                .map_err(|error| in_field("config.ssl_mode.ca_certificate", error))?;
            Ok(true)
        }
        b"N" => Ok(false),
        [] => {
            Err(Error::unavailable(format!("the server at `{}` closed the connection before a word", stream.address())))
        }
        _ => Err(stream.foreign()),
    }
}

/// The host knows nothing of our fields.
fn in_field(field: &str, error: Error) -> Error {
    match error {
        Error::InvalidInput(input) => Error::invalid(field, input.message),
        other => other,
    }
}
