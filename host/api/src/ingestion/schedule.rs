//! An ingestion's schedule, as JSON has it.

use asgard_pipeline::ingestion::{Schedule as DomainSchedule, ScheduleType as DomainScheduleType};
use asgard_tasks::{CatchUp as DomainCatchUp, Overlap as DomainOverlap};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ScheduleType {
    Cron,
    Basic,
    Manual,
}

/// Syncs that were missed while no host ran: none of them, all as one, or each.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CatchUp {
    Skip,
    #[default]
    Latest,
    All,
}

/// A sync that is due while one is under way: it is left out, or begins when that one has ended.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Overlap {
    #[default]
    Skip,
    Queue,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Schedule {
    schedule_type: ScheduleType,
    /// Quartz with seconds (`0 0 12 * * ?`) or five fields.
    cron_expression: Option<String>,
    /// A name of the IANA database, such as `Europe/Berlin`. Default: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Europe/Berlin")]
    time_zone: Option<String>,
    #[serde(default)]
    catch_up: CatchUp,
    #[serde(default)]
    overlap: Overlap,
}

impl From<Schedule> for DomainSchedule {
    fn from(schedule: Schedule) -> Self {
        Self {
            schedule_type: match schedule.schedule_type {
                ScheduleType::Cron => DomainScheduleType::Cron,
                ScheduleType::Basic => DomainScheduleType::Basic,
                ScheduleType::Manual => DomainScheduleType::Manual,
            },
            cron_expression: schedule.cron_expression,
            time_zone: schedule.time_zone,
            catch_up: match schedule.catch_up {
                CatchUp::Skip => DomainCatchUp::Skip,
                CatchUp::Latest => DomainCatchUp::Latest,
                CatchUp::All => DomainCatchUp::All,
            },
            overlap: match schedule.overlap {
                Overlap::Skip => DomainOverlap::Skip,
                Overlap::Queue => DomainOverlap::Queue,
            },
        }
    }
}

impl From<DomainSchedule> for Schedule {
    fn from(schedule: DomainSchedule) -> Self {
        Self {
            schedule_type: match schedule.schedule_type {
                DomainScheduleType::Cron => ScheduleType::Cron,
                DomainScheduleType::Basic => ScheduleType::Basic,
                DomainScheduleType::Manual => ScheduleType::Manual,
            },
            cron_expression: schedule.cron_expression,
            time_zone: schedule.time_zone,
            catch_up: match schedule.catch_up {
                DomainCatchUp::Skip => CatchUp::Skip,
                DomainCatchUp::Latest => CatchUp::Latest,
                DomainCatchUp::All => CatchUp::All,
            },
            overlap: match schedule.overlap {
                DomainOverlap::Skip => Overlap::Skip,
                // No ingestion is stored with the third.
                DomainOverlap::Queue | DomainOverlap::Allow => Overlap::Queue,
            },
        }
    }
}
