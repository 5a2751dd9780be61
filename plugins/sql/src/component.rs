//! The component's exports.

use asgard_sdk::transform::{Guest, QueryPlan, Request, Step};
use asgard_sdk::{Result, TableName};

use crate::run;

struct Sql;

impl Guest for Sql {
    fn plan(request: Request) -> Result<QueryPlan> {
        run::plan(request)
    }

    fn start(request: Request) -> Result<Step> {
        run::start(request)
    }

    fn advance(state: Vec<u8>) -> Result<Step> {
        run::advance(&state)
    }

    fn cancel(state: Vec<u8>) -> Result<()> {
        run::cancel(&state)
    }

    fn drop(target: TableName) -> Result<()> {
        run::drop(&target)
    }
}

asgard_sdk::export_transform!(Sql with_types_in asgard_sdk::bindings::transform);
