//! Roles and reach: what an API token allows, and where.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How much a caller may do. Each role includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessRole {
    /// Looks.
    Viewer,
    /// Works: ingests, transforms, trains, deploys.
    Operator,
    /// Changes environments, plugins and secrets, and lets others in.
    Admin,
}

impl AccessRole {
    /// As users write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for AccessRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no role: expected `viewer`, `operator` or `admin`")]
pub struct NoRole(String);

impl FromStr for AccessRole {
    type Err = NoRole;

    fn from_str(text: &str) -> Result<Self, NoRole> {
        [Self::Viewer, Self::Operator, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| NoRole(text.to_owned()))
    }
}

/// The environments that a role holds in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Every environment, and the host as a whole.
    All,
    /// These.
    Environments(Vec<String>),
}

impl Reach {
    /// Of a list of names; no list is everything.
    pub fn of(names: Option<Vec<String>>) -> Self {
        names.map_or(Self::All, Self::Environments)
    }

    /// The names; none = all.
    pub fn names(&self) -> Option<&[String]> {
        match self {
            Self::All => None,
            Self::Environments(names) => Some(names),
        }
    }

    /// Whether an environment is within it.
    pub fn includes(&self, environment: &str) -> bool {
        self.names().is_none_or(|names| names.iter().any(|name| name == environment))
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all environments"),
            Self::Environments(names) => f.write_str(&names.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_includes_those_before_it() {
        assert!(AccessRole::Viewer < AccessRole::Operator && AccessRole::Operator < AccessRole::Admin);
        for role in [AccessRole::Viewer, AccessRole::Operator, AccessRole::Admin] {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert!("Admin".parse::<AccessRole>().is_err());
    }

    #[test]
    fn no_list_of_environments_is_all_of_them() {
        assert!(Reach::of(None).includes("production"));
        let reach = Reach::of(Some(vec!["dev".to_owned()]));
        assert!(reach.includes("dev") && !reach.includes("production") && !reach.includes("DEV"));
    }
}
