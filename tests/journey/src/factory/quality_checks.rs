//! `production.quality_checks`: samples of finished orders.

use super::copy::Table;
use super::random::Random;
use super::work_orders::Order;

pub(crate) const SCHEMA: &str = "
CREATE TABLE production.quality_checks (
    check_id integer PRIMARY KEY,
    work_order_id text,
    checked_at timestamptz NOT NULL,
    inspector text,
    check_type text NOT NULL,
    sample_size smallint NOT NULL,
    defects integer NOT NULL,
    measured_mm numeric(10,4),
    lower_limit_mm numeric(10,4) NOT NULL,
    upper_limit_mm numeric(10,4) NOT NULL,
    passed boolean,
    remarks text
);
";

const CHECKS: i64 = 3_500;
const INSPECTORS: [&str; 7] = ["A. Novak", "a. novak", "B. Okafor", "C. Duarte ", "D. Lindqvist", "E. Sato", ""];
const KINDS: [&str; 5] = ["dimension", "Dimension", "SURFACE", "torque", "visual "];

pub(crate) fn table(seed: u64, orders: &[Order]) -> Table {
    let mut random = Random::new(seed, "quality_checks");
    let mut table = Table::new(
        "production",
        "quality_checks",
        &[
            "check_id",
            "work_order_id",
            "checked_at",
            "inspector",
            "check_type",
            "sample_size",
            "defects",
            "measured_mm",
            "lower_limit_mm",
            "upper_limit_mm",
            "passed",
            "remarks",
        ],
    );
    for check in 0..CHECKS {
        let order = random.pick(orders);
        let nominal = random.between(50_000, 2_500_000);
        let measured = random.around(nominal, 120);
        let within = (measured - nominal).abs() <= 250;
        let size = random.between(5, 50);
        let kind = *random.pick(&KINDS);
        let defects = if within { random.between(0, 1) } else { random.between(1, size) };
        table
            .row()
            .value(check + 1)
            .maybe_text(order.work_order_id.as_deref())
            .time(order.end.unwrap_or(order.start) + random.between(10, 2_880) * 60)
            .maybe_text(random.chance(960).then(|| *random.pick(&INSPECTORS)))
            .text(kind)
            .value(size)
            .value(defects)
            .maybe_decimal((!random.chance(30)).then_some(measured), 4)
            .decimal(nominal - 250, 4)
            .decimal(nominal + 250, 4)
            .maybe((!random.chance(20)).then_some(within))
            .maybe_text((!within).then_some("out of limits"));
    }
    table
}
