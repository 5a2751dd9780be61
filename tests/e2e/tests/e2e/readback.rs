//! What we wrote, read by others: PyIceberg through the catalog file, DuckDB through the table's metadata.

use std::process::Command;
use std::sync::Arc;

use libtest_mimic::Trial;

use crate::world::{World, test};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![test(world, "pyiceberg_and_duckdb_read_the_journeys_tables", read_back)]
}

fn read_back(world: &World) {
    world.figures();
    let lakehouse = world.full_data().join("environments/local/lakehouse");
    let script = "../interop/read_back.py";
    let output = Command::new(world.python())
        .arg(script)
        .arg(lakehouse)
        .args(["bronze.work_orders=15000", "bronze.machine_logs=25000", "bronze.quality_checks=3500"])
        .args(["bronze.materials=2323", "silver.work_orders=14850", "gold.operator_efficiency=142"])
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
}
