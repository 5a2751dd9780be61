//! `production.work_orders`: who made how many of what, and how long it took.
//!
//! Each operator has a pace (units per order, hours per order) and a care (the share of orders completed), both better
//! with more experience, neither exactly. Whether someone performs well can so be learned from the totals, and not
//! without a mistake.

use super::copy::Table;
use super::random::Random;

pub(crate) const SCHEMA: &str = "
CREATE TABLE production.work_orders (
    id bigint PRIMARY KEY,
    work_order_id text,
    product_id text,
    operator_id text,
    machine_id text NOT NULL,
    status text NOT NULL,
    priority smallint NOT NULL,
    quantity integer,
    unit_cost numeric(10,4) NOT NULL,
    start_time timestamptz NOT NULL,
    end_time timestamptz,
    due_date date NOT NULL,
    is_rush boolean NOT NULL,
    notes text,
    created_at timestamptz NOT NULL
);
";

/// Orders in the table.
const ORDERS: usize = 15_000;
/// Orders of which nobody wrote down the number.
const WITHOUT_NUMBER: usize = 150;
/// Operators with a regular shift.
const REGULARS: i64 = 142;
/// People who helped out for an order or two.
const HELPERS: i64 = 34;
/// 2025-01-06T06:00:00Z, a Monday.
pub(crate) const OPENING: i64 = 1_736_143_200;
/// Half a year.
pub(crate) const OPEN_FOR: i64 = 182 * 86_400;
const PRODUCTS: i64 = 64;
pub(crate) const MACHINES: i64 = 40;
const REMARKS: [&str; 6] = [
    "tool change during the run",
    "material late\tshift handed over",
    "re-run of a rejected lot",
    "customer: \"urgent\"",
    "see C:\\orders\\scan.pdf",
    "qualité à vérifier",
];

/// A row.
pub(crate) struct Order {
    pub(crate) work_order_id: Option<String>,
    pub(crate) product_id: Option<String>,
    pub(crate) operator_id: Option<String>,
    pub(crate) status: String,
    pub(crate) quantity: Option<i64>,
    /// Seconds since 1970.
    pub(crate) start: i64,
    pub(crate) end: Option<i64>,
}

/// How someone works.
struct Operator {
    /// None: nobody entered who it was.
    id: Option<String>,
    units: i64,
    minutes: i64,
    /// Orders completed, of 1000.
    completed: i64,
}

/// All orders, by start.
pub(crate) fn orders(seed: u64) -> Vec<Order> {
    let mut random = Random::new(seed, "work_orders");
    let mut orders = Vec::with_capacity(ORDERS);
    for number in 0..REGULARS {
        let operator = regular(&mut random, number);
        let count = random.between(68, 112);
        orders.extend((0..count).map(|_| order(&mut random, &operator)));
    }
    for number in 0..HELPERS {
        let operator = Operator { id: Some(format!("TMP-{:03}", number + 1)), ..regular(&mut random, 0) };
        let count = random.between(1, 4);
        orders.extend((0..count).map(|_| order(&mut random, &operator)));
    }
    let nobody = Operator { id: None, units: 380, minutes: 520, completed: 860 };
    while orders.len() < ORDERS {
        orders.push(order(&mut random, &nobody));
    }
    random.shuffle(&mut orders);
    orders.sort_by_key(|order| order.start);
    number(&mut random, &mut orders);
    orders
}

fn regular(random: &mut Random, number: i64) -> Operator {
    let experience = random.between(0, 1000);
    Operator {
        id: Some(format!("OP-{:04}", 1001 + number)),
        units: random.around(275 + experience * 270 / 1000, 32).max(180),
        minutes: random.around(575 - experience * 90 / 1000, 14),
        completed: random.around(740 + experience * 230 / 1000, 22).clamp(600, 992),
    }
}

fn order(random: &mut Random, operator: &Operator) -> Order {
    let start = OPENING + random.between(0, OPEN_FOR / 60) * 60;
    let minutes = random.heavy_tailed(operator.minutes).max(20);
    let completed = random.chance(operator.completed);
    let status = if completed { "Completed" } else { *random.pick(&["In Progress", "On Hold", "Cancelled", "Rework"]) };
    let product = product(random.between(1, PRODUCTS));
    let mut order = Order {
        work_order_id: None,
        product_id: Some(random.typed(&product)),
        operator_id: match &operator.id {
            Some(id) => Some(random.typed(id)),
            None => random.pick(&[None, Some(String::new()), Some("   ".to_owned())]).clone(),
        },
        status: match random.between(1, 10) {
            1..=5 => status.to_lowercase(),
            6 => status.to_uppercase(),
            7 => format!("{status} "),
            _ => status.to_owned(),
        },
        quantity: Some(random.around(operator.units, operator.units / 5).max(1)),
        start,
        end: (status != "In Progress").then_some(start + minutes * 60),
    };
    spoil(random, &mut order, minutes);
    order
}

/// One order of twenty has something wrong with it.
fn spoil(random: &mut Random, order: &mut Order, minutes: i64) {
    match random.between(1, 1000) {
        1..=14 => order.quantity = order.quantity.map(|quantity| -quantity),
        15..=24 => order.quantity = None,
        25..=34 => order.product_id = if random.chance(500) { None } else { Some(" ".to_owned()) },
        35..=44 => order.end = Some(order.start - minutes * 60),
        45..=50 => order.end = None,
        _ => {}
    }
}

/// Numbers in the order of the starts; some are left out.
fn number(random: &mut Random, orders: &mut [Order]) {
    let mut all: Vec<usize> = (0..orders.len()).collect();
    random.shuffle(&mut all);
    let (without, _) = all.split_at(WITHOUT_NUMBER);
    for (index, order) in orders.iter_mut().enumerate() {
        order.work_order_id = if without.contains(&index) {
            random.pick(&[None, None, Some(String::new()), Some("  ".to_owned())]).clone()
        } else {
            Some(random.typed(&format!("WO-2025-{:06}", index + 1)))
        };
    }
}

pub(crate) fn product(number: i64) -> String {
    format!("PRD-{:04}", 2000 + number)
}

pub(crate) fn machine(number: i64) -> String {
    format!("CNC-{number:02}")
}

pub(crate) fn table(seed: u64, orders: &[Order]) -> Table {
    // A stream apart from the orders' own: a new column leaves the others as they are.
    let mut random = Random::new(seed, "work_orders.details");
    let mut table = Table::new(
        "production",
        "work_orders",
        &[
            "id",
            "work_order_id",
            "product_id",
            "operator_id",
            "machine_id",
            "status",
            "priority",
            "quantity",
            "unit_cost",
            "start_time",
            "end_time",
            "due_date",
            "is_rush",
            "notes",
            "created_at",
        ],
    );
    for (index, order) in orders.iter().enumerate() {
        let priority = random.between(1, 5);
        table
            .row()
            .value(index + 1)
            .maybe_text(order.work_order_id.as_deref())
            .maybe_text(order.product_id.as_deref())
            .maybe_text(order.operator_id.as_deref())
            .text(&machine(random.between(1, MACHINES)))
            .text(&order.status)
            .value(priority)
            .maybe(order.quantity)
            .decimal(random.between(5_000, 950_000), 4)
            .time(order.start)
            .maybe_time(order.end)
            .date(order.start + random.between(1, 21) * 86_400)
            .value(priority == 5)
            .maybe_text(random.chance(80).then(|| *random.pick(&REMARKS)))
            .time(order.start - random.between(1, 14 * 1440) * 60);
    }
    table
}
