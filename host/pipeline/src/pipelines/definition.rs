//! Pipelines as resources: declared, changed, removed.

use std::collections::BTreeMap;
use std::sync::Arc;

use asgard_contract::environment::{Change, compare_values};
use asgard_contract::{Error, Result};
use asgard_store::{Resource, ResourceKind};
use asgard_tasks::NewTask;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::run::{self, Asked};
use super::text::Names;
use super::{StepWork, graph};
use crate::environments::Active;
use crate::ingestion::Schedule;
use crate::{Page, Paged, Pipeline, names, new_id};

/// The kinds of steps; what each is given is what its route is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// `{"ingestion": NAME OR ID}`.
    Ingestion,
    /// As `POST /spark/transform`.
    Silver,
    /// As `POST /dbt/transform`.
    Gold,
    /// As `POST /feast/features`.
    Features,
    /// As `POST /mlops/deploy`.
    Deployment,
}

/// A step of a pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepDefinition {
    pub id: String,
    pub kind: StepKind,
    /// Steps that have to succeed before.
    pub needs: Vec<String>,
    /// What the step is given.
    pub with: Value,
}

/// What a pipeline is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    pub description: Option<String>,
    /// When it runs by itself.
    pub schedule: Option<Schedule>,
    /// Defaults of what `${name}` stands for.
    pub parameters: BTreeMap<String, String>,
    pub steps: Vec<StepDefinition>,
}

/// A pipeline to be made or changed.
#[derive(Debug, Clone)]
pub struct NewPipeline {
    pub name: String,
    pub definition: Definition,
}

/// A pipeline.
#[derive(Debug, Clone)]
pub struct PipelineResource {
    pub id: String,
    pub name: String,
    pub definition: Definition,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub next_run: Option<DateTime<Utc>>,
}

impl Pipeline {
    /// Makes a pipeline.
    ///
    /// # Errors
    /// `invalid-input` with the field, `conflict` for a name that is taken.
    pub async fn create_pipeline(&self, active: &Arc<Active>, new: NewPipeline) -> Result<PipelineResource> {
        self.check_definition(&new)?;
        self.refuse_taken_name(active, ResourceKind::Pipeline, "pipeline", &new.name).await?;
        let id = new_id();
        self.store.put_new(&active.name, ResourceKind::Pipeline, &id, &new.name, &new.definition).await?;
        self.schedule_pipeline(active, &id, &new.definition).await?;
        self.pipeline(active, &new.name).await
    }

    /// Makes a pipeline, or changes the one of this name. Runs that have begun go on as they began.
    ///
    /// # Errors
    /// `invalid-input` with the field, `conflict` where somebody else changes it at the same time.
    pub async fn put_pipeline(&self, active: &Arc<Active>, new: NewPipeline) -> Result<PipelineResource> {
        self.check_definition(&new)?;
        let Some(known) = self.find_pipeline(active, &new.name).await? else {
            return self.create_pipeline(active, new).await;
        };
        if known.body != new.definition {
            let kind = ResourceKind::Pipeline;
            self.store.update(&active.name, kind, &known.id, &new.name, known.revision, &new.definition).await?;
            self.schedule_pipeline(active, &known.id, &new.definition).await?;
        }
        self.pipeline(active, &new.name).await
    }

    /// What would change if a pipeline were put; none: it is new. Nothing is changed.
    ///
    /// # Errors
    /// `invalid-input` with the field.
    pub async fn plan_pipeline(&self, active: &Arc<Active>, new: &NewPipeline) -> Result<Option<Vec<Change>>> {
        self.check_definition(new)?;
        let known = self.find_pipeline(active, &new.name).await?;
        Ok(known.map(|known| compare(&known.body, &new.definition)))
    }

    /// All pipelines, newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn pipelines(&self, active: &Active, page: Page) -> Result<Paged<PipelineResource>> {
        let (found, total) = self.store.list(&active.name, ResourceKind::Pipeline, page.limit, page.offset).await?;
        let mut items = Vec::with_capacity(found.len());
        for resource in found {
            items.push(self.shown_pipeline(active, resource).await?);
        }
        Ok(Paged { items, total })
    }

    /// A pipeline by name.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn pipeline(&self, active: &Active, name: &str) -> Result<PipelineResource> {
        let resource = self.pipeline_record(active, name).await?;
        self.shown_pipeline(active, resource).await
    }

    /// Removes a pipeline, and cancels its runs. What they made stays.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn delete_pipeline(&self, active: &Active, name: &str) -> Result<()> {
        let id = self.pipeline_record(active, name).await?.id;
        self.tasks.schedules().delete(&active.name, &id).await?;
        for task in self.unfinished_runs(active, &id).await? {
            self.tasks.cancel(&task.id).await?;
        }
        Ok(self.store.delete(&active.name, ResourceKind::Pipeline, &id).await?)
    }

    pub(super) async fn pipeline_record(&self, active: &Active, name: &str) -> Result<Resource<Definition>> {
        self.find_pipeline(active, name).await?.ok_or_else(|| {
            Error::not_found(format!("there is no pipeline `{name}`: GET /pipelines lists those there are"))
        })
    }

    async fn find_pipeline(&self, active: &Active, name: &str) -> Result<Option<Resource<Definition>>> {
        Ok(self.store.get_by_name(&active.name, ResourceKind::Pipeline, name).await?)
    }

    async fn shown_pipeline(&self, active: &Active, resource: Resource<Definition>) -> Result<PipelineResource> {
        Ok(PipelineResource {
            next_run: self.tasks.schedules().next_fire(&active.name, &resource.id).await?,
            id: resource.id,
            name: resource.name,
            definition: resource.body,
            created_at: resource.created_at,
            updated_at: resource.updated_at,
        })
    }

    async fn schedule_pipeline(&self, active: &Active, id: &str, definition: &Definition) -> Result<()> {
        match definition.schedule.as_ref().and_then(Schedule::timetable) {
            None => Ok(self.tasks.schedules().delete(&active.name, id).await?),
            Some(timetable) => {
                let asked = serde_json::to_value(Asked::default()).unwrap_or_default();
                let task = NewTask::new(&active.name, run::KIND).subject(id).request(asked);
                Ok(self.tasks.schedules().put(&active.name, id, timetable, task).await?)
            }
        }
    }

    fn check_definition(&self, new: &NewPipeline) -> Result<()> {
        names::label("name", &new.name)?;
        let definition = &new.definition;
        if let Some(schedule) = &definition.schedule {
            schedule.check()?;
        }
        for name in definition.parameters.keys() {
            names::identifier(&format!("parameters.{name}"), name)?;
            if ["date", "next_date"].contains(&name.as_str()) {
                return Err(Error::invalid(format!("parameters.{name}"), "each run has a date of its own"));
            }
        }
        graph::check(&definition.steps)?;
        // Any date will do to see whether the steps can be read.
        let names = Names::of(NaiveDate::default(), &definition.parameters);
        for (index, step) in definition.steps.iter().enumerate() {
            self.read_step(step, &names, &format!("steps[{index}].with"))?;
        }
        Ok(())
    }

    /// What a step does in a run.
    pub(super) fn read_step(&self, step: &StepDefinition, names: &Names, field: &str) -> Result<StepWork> {
        let with = names.put_into(&step.with, field)?;
        let reader = self.step_reader.get().ok_or_else(|| Error::unavailable("the host is still starting"))?;
        reader.read(step.kind, &with).map_err(|error| error.in_field(field))
    }
}

/// Steps are compared by their ids: `steps[clean].with.sql`.
fn compare(before: &Definition, after: &Definition) -> Vec<Change> {
    let fields = |definition: &Definition| {
        let mut fields = serde_json::to_value(definition).unwrap_or_default();
        if let Some(fields) = fields.as_object_mut() {
            fields.remove("steps");
            for step in &definition.steps {
                fields.insert(format!("steps[{}]", step.id), serde_json::to_value(step).unwrap_or_default());
            }
            fields.retain(|_, value| !value.is_null());
        }
        fields
    };
    let mut changes = Vec::new();
    compare_values("", Some(&fields(before)), Some(&fields(after)), &mut changes);
    changes.sort_by(|a, b| a.field.cmp(&b.field));
    changes
}
