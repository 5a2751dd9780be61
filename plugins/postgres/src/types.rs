//! The one table of types: what each of PostgreSQL's becomes, and how its values travel.
//!
//! | PostgreSQL | Iceberg | note |
//! | --- | --- | --- |
//! | boolean | boolean | |
//! | smallint, integer | int | |
//! | bigint, oid | long | |
//! | real, double precision | float, double | NaN and infinities as they are |
//! | numeric(p, s), p ≤ 38 | decimal(p, s) | NaN has no counterpart; a negative s widens p, an s above p becomes p |
//! | numeric otherwise | string | every digit, `NaN`, `Infinity` |
//! | text, varchar, char, name, citext, enums | string | char(n) keeps its padding |
//! | json, jsonb, xml | string | |
//! | uuid | string | 36 characters: not all readers of Iceberg know its uuid |
//! | bytea | binary | |
//! | date | date | infinities have no counterpart |
//! | time | time | microseconds; 24:00:00 has no counterpart |
//! | timestamp, timestamptz | timestamp, timestamptz | microseconds; infinities and years after 294246 have no counterpart |
//! | arrays of the above | list<…> | of one dimension, lower bounds are dropped; declared with more (`int[][]`): string; a value with more than its column is declared with has no counterpart |
//! | domains | as their base type | |
//! | interval | string | ISO 8601: `P1Y2M3DT4H5M6S` |
//! | all others | string | as `::text` writes them: timetz, money, bit, inet, ranges, geometric types, tsvector, hstore, composites, … |
//! | arrays of others | list<string> | |
//!
//! A value without a counterpart becomes null, with a warning in the log, since one row of `infinity` must not keep a table
//! from being read. So columns of such types are nullable, `NOT NULL` or not; only in a primary key, where a null would
//! make rows the same that are not, it is an error.

use std::collections::HashMap;
use std::fmt;

use arrow_schema::{DataType, Field, TimeUnit};

/// PostgreSQL's number of a type.
pub type Oid = u32;

/// Decimals of Iceberg and Arrow end there.
const LARGEST_PRECISION: u32 = 38;

/// Precision and scale in a type modifier are offset by this.
const MODIFIER_HEADER: i32 = 4;

const NUMERIC: Oid = 1700;

/// `"char"`: one byte, which is zero for the empty text. As text it is one.
const SINGLE_BYTE_CHAR: Oid = 18;

const INT2_VECTOR: Oid = 22;

const OID_VECTOR: Oid = 30;

/// Types whose binary form is decoded here. Their numbers are fixed in PostgreSQL's `pg_type.dat`.
const NATIVE: [(Oid, Kind); 19] = [
    (16, Kind::Boolean),
    (17, Kind::Bytes),
    (19, Kind::Text), // name
    (20, Kind::Int64),
    (21, Kind::Int16),
    (23, Kind::Int32),
    (25, Kind::Text),
    (26, Kind::Oid),
    (114, Kind::Text), // json
    (700, Kind::Float32),
    (701, Kind::Float64),
    (1042, Kind::Text), // char(n)
    (1043, Kind::Text), // varchar
    (1082, Kind::Date),
    (1083, Kind::Time),
    (1114, Kind::Timestamp),
    (1184, Kind::TimestampTz),
    (2950, Kind::Uuid),
    (3802, Kind::Jsonb),
];

/// What a value is, once it is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Boolean,
    Int16,
    Int32,
    Int64,
    /// Unsigned in 32 bits.
    Oid,
    Float32,
    Float64,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Text,
    /// A text after a version byte.
    Jsonb,
    Uuid,
    Bytes,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    List(Box<Kind>),
}

impl Kind {
    /// The type of the column in Arrow.
    pub fn arrow(&self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Int16 | Self::Int32 => DataType::Int32,
            Self::Int64 | Self::Oid => DataType::Int64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Decimal { precision, scale } => DataType::Decimal128(*precision, scale.cast_signed()),
            Self::Text | Self::Jsonb | Self::Uuid => DataType::Utf8,
            Self::Bytes => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
            Self::List(element) => DataType::List(Field::new("element", element.arrow(), true).into()),
        }
    }

    /// What a column of a table is, by Iceberg's name; none for a type that is none of ours.
    pub fn of_iceberg(name: &str) -> Option<Self> {
        if let Some(element) = name.strip_prefix("list<").and_then(|rest| rest.strip_suffix('>')) {
            return Self::of_iceberg(element).map(|element| Self::List(Box::new(element)));
        }
        if let Some(digits) = name.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')')) {
            let (precision, scale) = digits.split_once(',')?;
            return Some(Self::Decimal {
                precision: precision.trim().parse().ok()?,
                scale: scale.trim().parse().ok()?,
            });
        }
        Some(match name {
            "boolean" => Self::Boolean,
            "int" => Self::Int32,
            "long" => Self::Int64,
            "float" => Self::Float32,
            "double" => Self::Float64,
            "string" => Self::Text,
            "binary" => Self::Bytes,
            "date" => Self::Date,
            "time" => Self::Time,
            "timestamp" => Self::Timestamp,
            "timestamptz" => Self::TimestampTz,
            _ => return None,
        })
    }

    /// What becomes of a table's column of this kind when values of another come.
    pub fn taking(&self, values: &Self) -> Taking {
        use Kind::{Decimal, Float32, Float64, Int32, Int64};
        if self.to_string() == values.to_string() {
            return Taking::Same;
        }
        match (self, values) {
            (Int32, Int64) | (Float32, Float64) => Taking::Widened,
            (Int64, Int32) | (Float64, Float32) => Taking::Same,
            (Decimal { precision: mine, scale: a }, Decimal { precision: other, scale: b }) if a == b => {
                if other > mine { Taking::Widened } else { Taking::Same }
            }
            (Self::List(mine), Self::List(values)) => mine.taking(values),
            // Whole numbers of sixteen bits are Int32 for the table.
            (_, Self::Int16) => self.taking(&Int32),
            (_, Self::Oid) => self.taking(&Int64),
            _ => Taking::Another,
        }
    }

    /// Some values of the type have no counterpart.
    pub fn is_lossy(&self) -> bool {
        matches!(
            self,
            Self::Decimal { .. } | Self::Date | Self::Time | Self::Timestamp | Self::TimestampTz | Self::List(_)
        )
    }

    /// Values have one order, the largest is a value like others, and its text can be read back: fit for a cursor.
    pub fn is_cursor(&self) -> bool {
        matches!(self, Self::Int16 | Self::Int32 | Self::Int64 | Self::Date | Self::Timestamp | Self::TimestampTz)
    }

    /// Among its values are infinities.
    pub fn has_infinities(&self) -> bool {
        matches!(self, Self::Date | Self::Timestamp | Self::TimestampTz)
    }
}

/// What becomes of a column when values of a type come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taking {
    /// It holds them as it is.
    Same,
    /// It gets the wider type, and keeps what it has.
    Widened,
    /// They are of another type.
    Another,
}

/// As Iceberg writes it.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "boolean",
            Self::Int16 | Self::Int32 => "int",
            Self::Int64 | Self::Oid => "long",
            Self::Float32 => "float",
            Self::Float64 => "double",
            Self::Decimal { precision, scale } => return write!(f, "decimal({precision},{scale})"),
            Self::Text | Self::Jsonb | Self::Uuid => "string",
            Self::Bytes => "binary",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::TimestampTz => "timestamptz",
            Self::List(element) => return write!(f, "list<{element}>"),
        })
    }
}

/// How a column is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    pub kind: Kind,
    /// The type that the server turns it into first, as SQL; none where the value travels as it is.
    pub cast: Option<&'static str>,
}

impl Mapping {
    fn native(kind: Kind) -> Self {
        Self { kind, cast: None }
    }

    fn text() -> Self {
        Self { kind: Kind::Text, cast: Some("pg_catalog.text") }
    }
}

/// What `pg_type` says about a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeEntry {
    /// `typtype`: `b`ase, `c`omposite, `d`omain, `e`num, `r`ange, `m`ultirange.
    pub class: char,
    /// `typcategory`: `A` for arrays.
    pub category: char,
    /// Of a domain.
    pub base: Oid,
    /// Of a domain; -1 = none.
    pub modifier: i32,
    /// Of an array.
    pub element: Oid,
    /// Of a domain over an array.
    pub dimensions: i32,
}

/// The types in use, beside those of [`NATIVE`].
pub type TypeEntries = HashMap<Oid, TypeEntry>;

/// How a column with this type, modifier (`atttypmod`) and declared number of dimensions (`attndims`) is read.
pub fn mapping(types: &TypeEntries, oid: Oid, modifier: i32, dimensions: i32) -> Mapping {
    if oid == NUMERIC {
        return decimal(modifier).map_or_else(Mapping::text, Mapping::native);
    }
    if let Some((_, kind)) = NATIVE.iter().find(|(native, _)| *native == oid) {
        return Mapping::native(kind.clone());
    }
    // The vectors would be read as arrays; in the log they are not written as arrays.
    if [SINGLE_BYTE_CHAR, INT2_VECTOR, OID_VECTOR].contains(&oid) {
        return Mapping::text();
    }
    let Some(entry) = types.get(&oid) else { return Mapping::text() };
    match (entry.class, entry.category) {
        ('d', _) => {
            let modifier = if entry.modifier == -1 { modifier } else { entry.modifier };
            mapping(types, entry.base, modifier, dimensions.max(entry.dimensions))
        }
        ('e', _) => Mapping::native(Kind::Text),
        (_, 'A') if entry.element != 0 && dimensions <= 1 => {
            let element = mapping(types, entry.element, modifier, 0);
            match element {
                Mapping { kind: Kind::List(_), .. } | Mapping { cast: Some(_), .. } => {
                    Mapping { kind: Kind::List(Box::new(Kind::Text)), cast: Some("pg_catalog.text[]") }
                }
                Mapping { kind, cast: None } => Mapping::native(Kind::List(Box::new(kind))),
            }
        }
        _ => Mapping::text(),
    }
}

/// `numeric(p, s)` with no more than 38 digits.
fn decimal(modifier: i32) -> Option<Kind> {
    let packed = modifier.checked_sub(MODIFIER_HEADER).filter(|packed| *packed >= 0)?.cast_unsigned();
    let precision = packed >> 16;
    // Eleven bits with sign, since version 15; before, scales were between 0 and the precision.
    let scale = ((packed & 0x7ff) ^ 0x400).cast_signed() - 0x400;
    let (precision, scale) = match u32::try_from(scale) {
        Ok(scale) => (precision.max(scale), scale),
        Err(_) => (precision + scale.unsigned_abs(), 0),
    };
    if precision > LARGEST_PRECISION {
        return None;
    }
    Some(Kind::Decimal { precision: u8::try_from(precision).ok()?, scale: u8::try_from(scale).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(precision: i32, scale: i32) -> i32 {
        ((precision << 16) | (scale & 0x7ff)) + MODIFIER_HEADER
    }

    fn base(category: char, element: Oid) -> TypeEntry {
        TypeEntry { class: 'b', category, base: 0, modifier: -1, element, dimensions: 0 }
    }

    #[test]
    fn every_type_has_a_counterpart() {
        let domain = |base, modifier, dimensions| TypeEntry {
            class: 'd',
            category: 'N',
            base,
            modifier,
            element: 0,
            dimensions,
        };
        let types = TypeEntries::from([
            (1007, base('A', 23)),
            (1231, base('A', NUMERIC)),
            (1041, base('A', 869)),
            (1002, base('A', SINGLE_BYTE_CHAR)),
            (869, base('I', 0)),
            (600, base('G', 701)),
            (90_000, TypeEntry { class: 'e', ..base('E', 0) }),
            (90_001, base('A', 90_000)),
            (90_010, domain(NUMERIC, numeric(12, 2), 0)),
            (90_011, domain(90_010, -1, 0)),
            (90_012, base('A', 90_011)),
            (90_013, domain(1007, -1, 2)),
            (90_014, base('A', 90_013)),
            (90_020, TypeEntry { class: 'c', ..base('C', 0) }),
        ]);
        let cases = [
            (20, -1, 0, "long", None),
            (1043, 24, 0, "string", None),
            (2950, -1, 0, "string", None),
            (1184, -1, 0, "timestamptz", None),
            (NUMERIC, numeric(10, 2), 0, "decimal(10,2)", None),
            (NUMERIC, numeric(38, 38), 0, "decimal(38,38)", None),
            (NUMERIC, numeric(3, -4), 0, "decimal(7,0)", None),
            (NUMERIC, numeric(2, 5), 0, "decimal(5,5)", None),
            (NUMERIC, numeric(39, 0), 0, "string", Some("pg_catalog.text")),
            (NUMERIC, -1, 0, "string", Some("pg_catalog.text")),
            (1007, -1, 1, "list<int>", None),
            (1007, -1, 0, "list<int>", None),
            (1007, -1, 2, "string", Some("pg_catalog.text")),
            (1231, numeric(10, 2), 1, "list<decimal(10,2)>", None),
            (1231, -1, 1, "list<string>", Some("pg_catalog.text[]")),
            (1041, -1, 1, "list<string>", Some("pg_catalog.text[]")),
            (869, -1, 0, "string", Some("pg_catalog.text")),
            (SINGLE_BYTE_CHAR, -1, 0, "string", Some("pg_catalog.text")),
            (1002, -1, 1, "list<string>", Some("pg_catalog.text[]")),
            (600, -1, 0, "string", Some("pg_catalog.text")),
            (90_000, -1, 0, "string", None),
            (90_001, -1, 1, "list<string>", None),
            (90_011, -1, 0, "decimal(12,2)", None),
            (90_012, -1, 1, "list<decimal(12,2)>", None),
            (90_013, -1, 0, "string", Some("pg_catalog.text")),
            (90_014, -1, 1, "list<string>", Some("pg_catalog.text[]")),
            (90_020, -1, 0, "string", Some("pg_catalog.text")),
            (99_999, -1, 0, "string", Some("pg_catalog.text")),
        ];
        for (oid, modifier, dimensions, iceberg, cast) in cases {
            let found = mapping(&types, oid, modifier, dimensions);
            assert_eq!((found.kind.to_string().as_str(), found.cast), (iceberg, cast), "type {oid} ({modifier})");
        }
    }
}
