//! When an ingestion is synced, or a pipeline runs, by itself.

use std::sync::Arc;

use asgard_contract::{Error, Result};
use asgard_tasks::schedule::{self, Timetable};
use asgard_tasks::{CatchUp, Overlap};
use serde::{Deserialize, Serialize};

use super::ingestions::Record;
use crate::Pipeline;
use crate::environments::Active;

/// A schedule as requests give it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    pub schedule_type: ScheduleType,
    /// Quartz with seconds or five fields.
    pub cron_expression: Option<String>,
    /// A name of the IANA database; none = UTC.
    #[serde(default)]
    pub time_zone: Option<String>,
    #[serde(default)]
    pub catch_up: CatchUp,
    #[serde(default)]
    pub overlap: Overlap,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleType {
    Cron,
    Basic,
    Manual,
}

impl Schedule {
    pub(super) fn is_cron(&self) -> bool {
        self.cron_expression.is_some()
    }

    pub(crate) fn check(&self) -> Result<()> {
        let field = "schedule.cronExpression";
        if let Some(zone) = &self.time_zone {
            schedule::validate_time_zone(zone)
                .map_err(|error| Error::invalid("schedule.timeZone", error.to_string()))?;
        }
        // Both would write the same tables, each over the other's rows.
        if self.overlap == Overlap::Allow {
            return Err(Error::invalid(
                "schedule.overlap",
                "two of one kind cannot run side by side: expected `skip` or `queue`",
            ));
        }
        if self.catch_up == CatchUp::All && self.overlap == Overlap::Skip {
            return Err(Error::invalid(
                "schedule.catchUp",
                "`all` needs `overlap` to be `queue`: what was missed comes one after the other",
            ));
        }
        match (self.schedule_type, &self.cron_expression) {
            (ScheduleType::Cron, None) => {
                Err(Error::invalid(field, "a schedule of type `cron` needs a cron expression, such as `0 0 12 * * ?`"))
            }
            (ScheduleType::Manual, Some(_)) => Err(Error::invalid(
                field,
                "a schedule of type `manual` has no cron expression: leave it out, or use type `cron`",
            )),
            (_, Some(cron)) => schedule::validate(cron).map_err(|error| Error::invalid(field, error.to_string())),
            (_, None) => Ok(()),
        }
    }

    pub(crate) fn timetable(&self) -> Option<Timetable> {
        Some(Timetable {
            cron: self.cron_expression.clone()?,
            time_zone: self.time_zone.clone().unwrap_or_else(|| schedule::UTC.to_owned()),
            catch_up: self.catch_up,
            overlap: self.overlap,
        })
    }
}

impl Pipeline {
    pub(super) async fn put_schedule(&self, active: &Arc<Active>, id: &str, record: &Record) -> Result<()> {
        let timetable = record.schedule.as_ref().filter(|_| record.active).and_then(Schedule::timetable);
        match timetable {
            Some(timetable) => {
                let task = self.sync_task(active, id, record).await;
                self.tasks.schedules().put(&active.name, id, timetable, task).await?;
            }
            None => self.tasks.schedules().delete(&active.name, id).await?,
        }
        Ok(())
    }
}
