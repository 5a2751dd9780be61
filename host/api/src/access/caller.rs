//! Who asks, and what they may do.

use std::fmt;

use asgard_store::{AccessRole, ApiToken, Reach};
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::roles::{Place, Rule};
use crate::App;
use crate::problem::Problem;

/// Who it is, as the audit trail and revisions have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    /// Everyone, where the host is open.
    Local,
    /// Whoever knows the token that the host was started with.
    Configured,
    /// An API token.
    Token { id: String, name: String },
    /// Someone whom the OpenID Connect issuer vouches for.
    Subject(String),
    /// Nobody that the host knows.
    Stranger,
}

impl Who {
    /// The API token's id.
    pub(super) fn token_id(&self) -> Option<&str> {
        match self {
            Self::Token { id, .. } => Some(id),
            _ => None,
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Configured => f.write_str("ASGARD_TOKEN"),
            Self::Token { name, .. } => write!(f, "token:{name}"),
            Self::Subject(subject) => write!(f, "oidc:{subject}"),
            Self::Stranger => f.write_str("stranger"),
        }
    }
}

/// A role, and where it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) role: AccessRole,
    pub(crate) reach: Reach,
}

impl Grant {
    fn everything() -> Self {
        Self { role: AccessRole::Admin, reach: Reach::All }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` of {}", self.role, self.reach)
    }
}

/// Who asks, with all that was granted to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) who: Who,
    pub(crate) grants: Vec<Grant>,
}

impl Caller {
    pub(crate) fn local() -> Self {
        Self { who: Who::Local, grants: vec![Grant::everything()] }
    }

    pub(super) fn configured() -> Self {
        Self { who: Who::Configured, grants: vec![Grant::everything()] }
    }

    /// Whether anything of an environment is theirs to see.
    pub(crate) fn sees(&self, environment: &str) -> bool {
        self.grants.iter().any(|grant| grant.reach.includes(environment))
    }

    /// # Errors
    /// 403 when nothing of the environment is theirs to see.
    pub(crate) fn must_see(&self, environment: &str) -> Result<(), Problem> {
        if self.sees(environment) {
            return Ok(());
        }
        Err(self.refused(AccessRole::Viewer, &format!(" in environment `{environment}` too")))
    }

    /// What is wanted, and what was granted instead. `place`: where the role would have to hold, ` in environment …`.
    pub(super) fn refused(&self, role: AccessRole, place: &str) -> Problem {
        Problem::new(
            StatusCode::FORBIDDEN,
            format!(
                "this wants the role `{role}`{place}; {} has {}: ask an admin for a token that reaches further",
                self.who,
                self.granted()
            ),
        )
    }

    /// Whether a request is theirs to make. `environment`: the one that it is about, if it is about one.
    pub(super) fn may(&self, rule: Rule, environment: Option<&str>) -> bool {
        let Some(wanted) = rule.role else { return true };
        let reaches = |reach: &Reach| match (rule.place, environment) {
            (Place::Anywhere, _) => true,
            (Place::Environment, Some(name)) => reach.includes(name),
            // A list of environments, from which those of others are left out.
            (Place::Environment, None) if !rule.changes => true,
            (Place::Environment, None) | (Place::Host, _) => *reach == Reach::All,
        };
        self.grants.iter().any(|grant| grant.role >= wanted && reaches(&grant.reach))
    }

    /// What is granted, in words.
    fn granted(&self) -> String {
        if self.grants.is_empty() {
            return "nothing".to_owned();
        }
        let grants: Vec<String> = self.grants.iter().map(ToString::to_string).collect();
        grants.join(" and ")
    }
}

impl From<ApiToken> for Caller {
    fn from(token: ApiToken) -> Self {
        Self {
            who: Who::Token { id: token.id, name: token.name },
            grants: vec![Grant { role: token.role, reach: token.reach }],
        }
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        parts.extensions.get().cloned().ok_or_else(|| {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the request came in past the guard: this is a defect")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(grants: &[(AccessRole, Option<&str>)]) -> Caller {
        let reach = |name: &Option<&str>| Reach::of(name.map(|name| vec![name.to_owned()]));
        let grants = grants.iter().map(|(role, name)| Grant { role: *role, reach: reach(name) });
        Caller { who: Who::Local, grants: grants.collect() }
    }

    fn rule(role: AccessRole, place: Place, changes: bool) -> Rule {
        Rule { role: Some(role), place, changes }
    }

    #[test]
    fn a_role_holds_in_its_environments_only() {
        use AccessRole::{Admin, Operator, Viewer};
        let caller = caller(&[(Viewer, None), (Operator, Some("staging"))]);
        for (role, place, changes, environment, may) in [
            (Viewer, Place::Environment, false, Some("production"), true),
            (Operator, Place::Environment, true, Some("staging"), true),
            (Operator, Place::Environment, true, Some("production"), false),
            (Admin, Place::Environment, true, Some("staging"), false),
            (Viewer, Place::Anywhere, false, None, true),
            (Viewer, Place::Environment, false, None, true),
        ] {
            let rule = rule(role, place, changes);
            assert_eq!(caller.may(rule, environment), may, "{rule:?} {environment:?}");
        }
    }

    #[test]
    fn an_admin_of_one_environment_has_no_say_over_the_host() {
        let caller = caller(&[(AccessRole::Admin, Some("dev"))]);
        assert!(caller.may(rule(AccessRole::Admin, Place::Environment, true), Some("dev")));
        assert!(!caller.may(rule(AccessRole::Admin, Place::Host, true), None));
        assert!(!caller.may(rule(AccessRole::Admin, Place::Environment, true), None));
        assert!(caller.sees("dev") && !caller.sees("production"));
    }

    #[test]
    fn without_grants_only_open_routes_are_left() {
        let nobody = caller(&[]);
        assert!(nobody.may(Rule { role: None, place: Place::Anywhere, changes: false }, None));
        assert!(!nobody.may(rule(AccessRole::Viewer, Place::Anywhere, false), None));
        assert_eq!(nobody.granted(), "nothing");
    }
}
