//! `production.machine_logs`: what the machines report.

use super::copy::Table;
use super::random::Random;
use super::work_orders::{MACHINES, OPEN_FOR, OPENING, machine};

pub(crate) const SCHEMA: &str = "
CREATE TABLE production.machine_logs (
    log_id bigint PRIMARY KEY,
    machine_id text NOT NULL,
    logged_at timestamptz NOT NULL,
    event_type text NOT NULL,
    severity smallint NOT NULL,
    temperature_c numeric(6,2),
    vibration_mm_s double precision,
    power_kw real,
    spindle_rpm integer,
    is_alarm boolean NOT NULL,
    payload jsonb,
    message text
);
";

const ENTRIES: i64 = 25_000;
const EVENTS: [&str; 6] = ["STATUS", "status", "Measurement", "TOOL_CHANGE", "MAINTENANCE ", "ALARM"];

pub(crate) fn table(seed: u64) -> Table {
    let mut random = Random::new(seed, "machine_logs");
    let mut table = Table::new(
        "production",
        "machine_logs",
        &[
            "log_id",
            "machine_id",
            "logged_at",
            "event_type",
            "severity",
            "temperature_c",
            "vibration_mm_s",
            "power_kw",
            "spindle_rpm",
            "is_alarm",
            "payload",
            "message",
        ],
    );
    for entry in 0..ENTRIES {
        let name = machine(random.between(1, MACHINES));
        let event = *random.pick(&EVENTS);
        let alarm = event == "ALARM";
        let severity = if alarm { random.between(3, 5) } else { random.between(0, 2) };
        // A sensor that is off reports nothing, and a broken one nonsense.
        let measures = !random.chance(40);
        let temperature = if random.chance(5) { -27_315 } else { random.around(6_200, 900) };
        let vibration = random.heavy_tailed(2_800);
        let power = random.between(0, 4_500);
        let speed = random.between(0, 240) * 50;
        let mut row = table.row();
        row.value(entry + 1)
            .text(&random.typed(&name))
            .time(OPENING + entry * (OPEN_FOR / ENTRIES) + random.between(0, OPEN_FOR / ENTRIES - 1))
            .text(event)
            .value(severity);
        if measures {
            row.decimal(temperature, 2).decimal(vibration, 3).decimal(power, 2).value(speed);
        } else {
            row.value("\\N").value("\\N").value("\\N").value("\\N");
        }
        row.value(alarm);
        let code = random.between(100, 399);
        row.maybe_text(
            random.chance(300).then(|| format!(r#"{{"code": "E{code}", "program": {}}}"#, code * 7)).as_deref(),
        );
        row.maybe_text(alarm.then(|| format!("axis {} stopped: E{code}", random.between(1, 5))).as_deref());
    }
    table
}
