//! `asgard token`: API tokens, made on the data folder or the database itself, so that the first one is there before the host
//! can be reached.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use asgard_store::{AccessRole, ApiToken, NewToken, Reach, Store};
use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand};

use crate::data::DataFolder;
use crate::trail::{self, AUTHOR, Done};

/// Read at once from the store.
const PAGE: u32 = 1000;

/// Make, list and revoke API tokens.
#[derive(Debug, Args)]
pub(crate) struct Token {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a token and print it, this once: `asgard token create ci --role operator --environment staging`.
    Create {
        /// Letters, digits, `.`, `_` and `-`.
        name: String,
        /// `viewer` looks, `operator` works, `admin` governs.
        #[arg(long)]
        role: AccessRole,
        /// An environment that it holds in; may be given several times. Default: all, and the host as a whole.
        #[arg(long = "environment", value_name = "NAME")]
        environments: Vec<String>,
        /// How long it is valid, such as `90d` or `12h`. Default: until it is revoked.
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        expires_in: Option<Duration>,
        /// For a host that has not been started yet, or environments whose documents are to come.
        #[arg(long)]
        new: bool,
        #[command(flatten)]
        data: DataFolder,
    },
    /// List the tokens, newest first, without their text.
    List {
        #[command(flatten)]
        data: DataFolder,
    },
    /// Revoke a token: a running host refuses it from the next request on.
    Revoke {
        /// Its name or its id.
        token: String,
        #[command(flatten)]
        data: DataFolder,
    },
}

impl Token {
    pub(crate) fn run(self) -> Result<()> {
        crate::serve::runtime()?.block_on(async {
            match self.command {
                Command::Create { name, role, environments, expires_in, new, data } => {
                    let store = data.store_of(&environments, new).await?;
                    let new = NewToken {
                        name,
                        role,
                        reach: Reach::of(Some(environments).filter(|names| !names.is_empty())),
                        expires_at: expires_in.map(|within| Utc::now() + within),
                        created_by: AUTHOR.to_owned(),
                    };
                    create(&store, &new).await
                }
                Command::List { data } => list(&data.store_of(&[], false).await?).await,
                Command::Revoke { token, data } => revoke(&data.store_of(&[], false).await?, &token).await,
            }
        })
    }
}

async fn create(store: &Store, new: &NewToken) -> Result<()> {
    new.check()?;
    let (made, text) = store.create_token(new).await.map_err(asgard_contract::Error::from)?;
    record(store, "create", &made).await?;
    eprintln!("made `{}`: `{}` of {}, {}", made.name, made.role, made.reach, validity(&made));
    eprintln!(
        "this is the only time that it is shown; a host that runs without tokens asks for them once it is started again"
    );
    println!("{text}");
    Ok(())
}

async fn list(store: &Store) -> Result<()> {
    let mut offset = 0;
    loop {
        let (tokens, _) = store.tokens(PAGE, offset).await.map_err(asgard_contract::Error::from)?;
        for token in &tokens {
            let used =
                token.last_used_at.map_or_else(|| "never used".to_owned(), |at| format!("last used {}", shown(at)));
            println!("{} {} `{}` of {}, {}, {used}", token.id, token.name, token.role, token.reach, validity(token));
        }
        if tokens.len() < PAGE as usize {
            return Ok(());
        }
        offset += u64::from(PAGE);
    }
}

async fn revoke(store: &Store, name_or_id: &str) -> Result<()> {
    let named = store.token_named(name_or_id).await.map_err(asgard_contract::Error::from)?;
    let found = match named {
        Some(token) => Some(token),
        None => store.token(name_or_id).await.map_err(asgard_contract::Error::from)?,
    };
    let Some(token) = found else { bail!("there is no valid token `{name_or_id}`: `asgard token list` shows them") };
    store.revoke_token(&token.id).await.map_err(asgard_contract::Error::from)?;
    record(store, "revoke", &token).await?;
    eprintln!("revoked `{}`", token.name);
    Ok(())
}

async fn record(store: &Store, what: &str, token: &ApiToken) -> Result<()> {
    let command = format!("asgard token {what}");
    let done = Done { command: &command, name: &token.name, environment: None, subject: Some(&token.id) };
    trail::record(store, done).await
}

fn validity(token: &ApiToken) -> String {
    match (token.revoked_at, token.expires_at) {
        (Some(at), _) => format!("revoked {}", shown(at)),
        (None, Some(at)) if at <= Utc::now() => format!("expired {}", shown(at)),
        (None, Some(at)) => format!("valid until {}", shown(at)),
        (None, None) => "valid until revoked".to_owned(),
    }
}

fn shown(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A number and its unit: `90d`, `12h`, `30m`, `45s`.
fn duration(text: &str) -> Result<Duration> {
    let expected = || format!("`{text}`: expected a number and a unit, such as `90d`, `12h`, `30m` or `45s`");
    let unit = text.chars().last().with_context(expected)?;
    let seconds = match unit {
        'd' => 24 * 3600,
        'h' => 3600,
        'm' => 60,
        's' => 1,
        _ => bail!(expected()),
    };
    let number = text.strip_suffix(unit).and_then(|number| number.parse::<u32>().ok());
    let number = number.filter(|number| *number > 0).with_context(expected)?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        assert_eq!(duration("90d").unwrap(), Duration::from_secs(90 * 24 * 3600));
        assert_eq!(duration("45s").unwrap(), Duration::from_secs(45));
        for wrong in ["", "d", "90", "0d", "-1d", "1w", "1dd", "99999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
