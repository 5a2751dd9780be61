//! `inventory.materials`: what lies in the store.

use super::copy::Table;
use super::random::Random;
use super::work_orders::{OPEN_FOR, OPENING};

pub(crate) const SCHEMA: &str = "
CREATE TABLE inventory.materials (
    material_code text PRIMARY KEY,
    description text NOT NULL,
    category text,
    unit_of_measure text NOT NULL,
    quantity_on_hand numeric(14,3) NOT NULL,
    reorder_level numeric(14,3),
    unit_price numeric(12,4) NOT NULL,
    lead_time_days integer,
    is_hazardous boolean NOT NULL,
    expires_on date,
    last_counted_at timestamptz,
    supplier text,
    tags text[]
);
";

const MATERIALS: i64 = 2_323;
const KINDS: [(&str, &str, &str); 8] = [
    ("Steel sheet", "RAW", "kg"),
    ("Aluminium bar", "raw", "kg"),
    ("Hex bolt", "FASTENER", "pcs"),
    ("Ball bearing", "Component", "pcs"),
    ("Cutting fluid", "CONSUMABLE", "l"),
    ("Carton", "packaging ", "PCS"),
    ("Solvent", "CHEMICAL", "l"),
    ("End mill", "TOOL", "pcs"),
];
const SUPPLIERS: [&str; 6] = ["Nordmetall", "NORDMETALL", "Ferro & Sons", "Atlas Supply ", "Kuroda", "O'Brien Ltd"];

pub(crate) fn table(seed: u64) -> Table {
    let mut random = Random::new(seed, "materials");
    let mut table = Table::new(
        "inventory",
        "materials",
        &[
            "material_code",
            "description",
            "category",
            "unit_of_measure",
            "quantity_on_hand",
            "reorder_level",
            "unit_price",
            "lead_time_days",
            "is_hazardous",
            "expires_on",
            "last_counted_at",
            "supplier",
            "tags",
        ],
    );
    for number in 0..MATERIALS {
        let (kind, category, unit) = *random.pick(&KINDS);
        let hazardous = kind == "Solvent" || kind == "Cutting fluid";
        // The books go below zero when a delivery is entered late.
        let stock = if random.chance(15) { -random.between(1, 40_000) } else { random.heavy_tailed(900_000) };
        let size = random.between(2, 400);
        let mut row = table.row();
        row.text(&format!("MAT-{:05}", 10_000 + number))
            .text(&random.typed(&format!("{kind} {size} mm")))
            .maybe_text((!random.chance(25)).then_some(category))
            .text(unit)
            .decimal(stock, 3)
            .maybe_decimal(random.chance(900).then(|| random.between(10_000, 500_000)), 3)
            .decimal(random.heavy_tailed(185_000), 4)
            .maybe(random.chance(930).then(|| random.between(1, 90)))
            .value(hazardous);
        if hazardous {
            row.date(OPENING + OPEN_FOR + random.between(-90, 720) * 86_400);
        } else {
            row.value("\\N");
        }
        row.maybe_time(random.chance(950).then(|| OPENING + random.between(0, OPEN_FOR)))
            .maybe_text(random.chance(970).then(|| *random.pick(&SUPPLIERS)))
            .text(if hazardous { "{hazardous,\"keep cool\"}" } else { "{}" });
    }
    table
}
