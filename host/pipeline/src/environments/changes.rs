//! How an environment changes: planned, applied, rolled back, promoted. Whatever the way, it ends in one more revision.
//!
//! A change is refused as a whole, with the field: a document that does not fit; a catalog or storage that does not answer; a binding
//! whose plugin fails its check ([`Pipeline::check_environment`]). Whatever asks a backend can be forced, for one that is known to be
//! away; a document that does not fit cannot.

use std::sync::Arc;

use asgard_contract::environment::{Change, Environment, compare, promote};
use asgard_contract::{Error, Result};
use asgard_store::EnvironmentRevision;

use super::{Active, Environments, Known};
use crate::Pipeline;

/// Who changes an environment, and how.
#[derive(Debug, Clone)]
pub struct Intent {
    pub author: String,
    /// Why, in their words.
    pub note: String,
    /// Whether backends that do not answer are no reason to refuse.
    pub force: bool,
    /// The revision that the change was made from: refused when it is another by now. 0 = there is no such environment yet.
    pub expected: Option<i64>,
}

/// What a change would do.
#[derive(Debug, Clone)]
pub struct Plan {
    pub environment: String,
    /// The revision that it starts from; 0 where there is no such environment.
    pub revision: i64,
    pub changes: Vec<Change>,
    /// Of a promotion: where the target keeps its own value (`before`) instead of the origin's (`after`).
    pub kept: Vec<Change>,
    /// Of a promotion: secrets and endpoints that come from the origin.
    pub brought: Vec<String>,
}

/// What came of a change.
pub struct Applied {
    pub active: Arc<Active>,
    /// Empty: it was so already, and there is no new revision.
    pub changes: Vec<Change>,
}

/// A revision with what it changed.
#[derive(Debug, Clone)]
pub struct Revised {
    pub revision: EnvironmentRevision,
    /// Against the revision before it.
    pub changes: Vec<Change>,
}

impl Pipeline {
    /// What [`Pipeline::apply_environment`] would change.
    ///
    /// # Errors
    /// `invalid-input` with the field of a document that does not fit.
    pub async fn plan_environment(&self, document: &Environment) -> Result<Plan> {
        self.environments.validate(document).await?;
        let current = self.store.environment(&document.name).await?;
        Ok(plan(current.as_ref(), document))
    }

    /// Makes a document true: checked whole, stored as a new revision, then swapped in at once. A document that is true already
    /// makes no revision.
    ///
    /// # Errors
    /// `invalid-input` with the field of the document that is wrong, or with the binding whose plugin fails its check; `unavailable`
    /// while what a binding needs is being made ready; `conflict` when the environment is not at the expected revision. Nothing has
    /// changed then.
    pub async fn apply_environment(&self, document: Environment, intent: &Intent) -> Result<Applied> {
        let environments = &self.environments;
        environments.validate(&document).await?;
        let current = self.store.environment(&document.name).await?;
        expected(intent, &document.name, current.as_ref())?;
        let revision = current.as_ref().map_or(0, |current| current.revision);
        let changes = plan(current.as_ref(), &document).changes;
        let candidate = environments.ready(revision + 1, &document).await?;
        if !intent.force {
            self.check_lakehouse(&candidate).await?;
            if !changes.is_empty() {
                self.check_swap(current.as_ref().map(|current| &current.document), &candidate).await?;
            }
        }
        let active = environments.commit(&document, intent, current.as_ref()).await?;
        active.lender.start_services();
        Ok(Applied { active, changes })
    }

    /// Makes an earlier revision's document true again, as a new revision.
    ///
    /// # Errors
    /// `not-found` for the revision; those of [`Pipeline::apply_environment`].
    pub async fn roll_back_environment(&self, name: &str, to: i64, intent: &Intent) -> Result<Applied> {
        let earlier = self.environments.revision(name, Some(to)).await?;
        let mut intent = intent.clone();
        if intent.note.is_empty() {
            intent.note = format!("back to revision {to}");
        }
        self.apply_environment(earlier.document, &intent).await
    }

    /// What a promotion would change in `to`.
    ///
    /// # Errors
    /// `not-found` for either environment; `invalid-input` where the result does not fit.
    pub async fn plan_promotion(&self, from: &str, to: &str) -> Result<Plan> {
        Ok(self.promotion(from, to).await?.0)
    }

    /// Makes one environment's bindings true in another, less secrets and endpoints; see [`promote`].
    ///
    /// # Errors
    /// Those of [`Pipeline::plan_promotion`] and [`Pipeline::apply_environment`].
    pub async fn promote_environment(&self, from: &str, to: &str, intent: &Intent) -> Result<(Plan, Applied)> {
        let (plan, document) = self.promotion(from, to).await?;
        let mut intent = intent.clone();
        if intent.note.is_empty() {
            intent.note = format!("promoted from {from}");
        }
        intent.expected.get_or_insert(plan.revision);
        let applied = self.apply_environment(document, &intent).await?;
        Ok((plan, applied))
    }

    async fn promotion(&self, from: &str, to: &str) -> Result<(Plan, Environment)> {
        if from == to {
            return Err(Error::invalid("from", format!("`{from}` is the environment itself: name another one")));
        }
        let origin = self.environments.revision(from, None).await.map_err(|error| match error {
            Error::NotFound { message } => Error::invalid("from", message),
            other => other,
        })?;
        let target = self.environments.revision(to, None).await?;
        let promotion = promote(&origin.document, &target.document);
        self.environments.validate(&promotion.document).await?;
        let mut planned = plan(Some(&target), &promotion.document);
        planned.kept = promotion.kept;
        planned.brought = promotion.brought;
        Ok((planned, promotion.document))
    }

    /// What differs between two documents, each a revision of an environment.
    ///
    /// # Errors
    /// `not-found` for either.
    pub async fn compare_environments(
        &self,
        one: (&str, Option<i64>),
        other: (&str, Option<i64>),
    ) -> Result<Vec<Change>> {
        let one = self.environments.revision(one.0, one.1).await?;
        let other = self.environments.revision(other.0, other.1).await?;
        Ok(compare(Some(&one.document), &other.document))
    }
}

fn plan(current: Option<&EnvironmentRevision>, document: &Environment) -> Plan {
    Plan {
        environment: document.name.clone(),
        revision: current.map_or(0, |current| current.revision),
        changes: compare(current.map(|current| &current.document), document),
        kept: Vec::new(),
        brought: Vec::new(),
    }
}

fn expected(intent: &Intent, name: &str, current: Option<&EnvironmentRevision>) -> Result<()> {
    let revision = current.map_or(0, |current| current.revision);
    match intent.expected {
        Some(expected) if expected != revision => {
            let by = current.map_or_else(String::new, |current| format!(", made by {}", current.author));
            Err(Error::conflict(format!(
                "environment `{name}` is at revision {revision}{by}, and the change was made from revision {expected}: look at \
                 what changed and try again"
            )))
        }
        _ => Ok(()),
    }
}

impl Environments {
    /// Every revision of an environment with what it changed, newest first.
    ///
    /// # Errors
    /// `not-found`, and those of the store.
    pub async fn history(&self, name: &str) -> Result<Vec<Revised>> {
        let revisions = self.revisions(name).await?;
        let mut history = Vec::with_capacity(revisions.len());
        for (index, revision) in revisions.iter().enumerate() {
            let before = revisions.get(index + 1).map(|before| &before.document);
            history.push(Revised { revision: revision.clone(), changes: compare(before, &revision.document) });
        }
        Ok(history)
    }

    /// Stores the document, if it is news, and takes it into use.
    pub(super) async fn commit(
        &self,
        document: &Environment,
        intent: &Intent,
        seen: Option<&EnvironmentRevision>,
    ) -> Result<Arc<Active>> {
        let _changing = self.changing.lock().await;
        // Somebody may have changed it while plugins were checked.
        let current = self.store.environment(&document.name).await?;
        let seen = seen.map_or(0, |seen| seen.revision);
        let expecting = Intent { expected: Some(seen), ..intent.clone() };
        expected(&expecting, &document.name, current.as_ref())?;
        let EnvironmentRevision { revision, created_at, .. } =
            match current.filter(|current| current.document == *document) {
                Some(current) => current,
                None => self.store.put_environment(document, seen, &intent.author, &intent.note).await?,
            };
        let active = self.ready(revision, document).await?;
        let known = Known { revision, created_at, state: Ok(Arc::clone(&active)) };
        self.known.write().await.insert(document.name.clone(), known);
        Ok(active)
    }
}
