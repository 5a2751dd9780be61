//! Types of columns, from the signature that Trino tells them by.

use asgard_sdk::json::Value;

use crate::names::quoted;

/// A type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// In Iceberg's words, and in those of Trino's statements.
    Plain(&'static str, &'static str),
    Decimal(u64, u64),
    List(Box<Type>),
    Map(Box<Type>, Box<Type>),
    Struct(Vec<(String, Type)>),
    /// One that Iceberg does not have, as Trino writes it.
    Other(String),
}

/// Trino's raw name, Iceberg's name, and the type that Trino's Iceberg connector makes a column of.
const PLAIN: [(&str, &str, &str); 15] = [
    ("boolean", "boolean", "boolean"),
    ("tinyint", "int", "integer"),
    ("smallint", "int", "integer"),
    ("integer", "int", "integer"),
    ("bigint", "long", "bigint"),
    ("real", "float", "real"),
    ("double", "double", "double"),
    ("varchar", "string", "varchar"),
    ("char", "string", "varchar"),
    ("varbinary", "binary", "varbinary"),
    ("date", "date", "date"),
    ("time", "time", "time(6)"),
    ("timestamp", "timestamp", "timestamp(6)"),
    ("timestamp with time zone", "timestamptz", "timestamp(6) with time zone"),
    ("uuid", "uuid", "uuid"),
];

/// How types are written.
struct Words {
    plain: fn(&'static str, &'static str) -> &'static str,
    list: &'static str,
    structure: &'static str,
    start: &'static str,
    end: &'static str,
    comma: &'static str,
    field: fn(&str, &str) -> String,
}

const ICEBERG: Words = Words {
    plain: |iceberg, _| iceberg,
    list: "list<",
    structure: "struct",
    start: "<",
    end: ">",
    comma: ",",
    field: |name, of| format!("{name}:{of}"),
};

const TRINO: Words = Words {
    plain: |_, trino| trino,
    list: "array(",
    structure: "row",
    start: "(",
    end: ")",
    comma: ", ",
    field: |name, of| format!("{} {of}", quoted(name)),
};

impl Type {
    /// None for a signature that cannot be read.
    pub fn of(signature: &Value) -> Option<Self> {
        let name = signature.get("rawType")?.as_str()?;
        let arguments: Vec<&Value> =
            signature.get("arguments")?.as_array()?.iter().map(|argument| &argument["value"]).collect();
        match (name, arguments.as_slice()) {
            ("array", [element]) => Some(Self::List(Box::new(Self::of(element)?))),
            ("map", [key, value]) => Some(Self::Map(Box::new(Self::of(key)?), Box::new(Self::of(value)?))),
            ("row", fields) => {
                let field = |field: &&Value| {
                    let name = field["fieldName"]["name"].as_str().unwrap_or_default().to_owned();
                    Some((name, Self::of(&field["typeSignature"])?))
                };
                Some(Self::Struct(fields.iter().map(field).collect::<Option<_>>()?))
            }
            ("decimal", [precision, scale]) => Some(Self::Decimal(precision.as_u64()?, scale.as_u64()?)),
            _ => PLAIN.iter().find(|(raw, _, _)| *raw == name).map(|(_, iceberg, trino)| Self::Plain(iceberg, trino)),
        }
    }

    /// In Iceberg's words; none for a type that it does not have.
    pub fn iceberg(&self) -> Option<String> {
        self.written(&ICEBERG)
    }

    /// As a column of this type is declared; none for a type that no table of Iceberg has.
    pub fn declared(&self) -> Option<String> {
        self.written(&TRINO)
    }

    fn written(&self, words: &Words) -> Option<String> {
        let inner = |of: &Self| of.written(words);
        Some(match self {
            Self::Plain(iceberg, trino) => (words.plain)(iceberg, trino).to_owned(),
            Self::Decimal(precision, scale) => format!("decimal({precision},{scale})"),
            Self::List(element) => format!("{}{}{}", words.list, inner(element)?, words.end),
            Self::Map(key, value) => format!("map{}{},{}{}", words.start, inner(key)?, inner(value)?, words.end),
            Self::Struct(fields) => {
                let field = |(name, of): &(String, Self)| Some((words.field)(name, &inner(of)?));
                let fields: Vec<String> = fields.iter().map(field).collect::<Option<_>>()?;
                format!("{}{}{}{}", words.structure, words.start, fields.join(words.comma), words.end)
            }
            Self::Other(_) => return None,
        })
    }

    /// As Trino writes one that Iceberg does not have.
    pub fn foreign(&self) -> Option<&str> {
        match self {
            Self::Other(written) => Some(written),
            Self::List(of) => of.foreign(),
            Self::Map(key, value) => key.foreign().or_else(|| value.foreign()),
            Self::Struct(fields) => fields.iter().find_map(|(_, of)| of.foreign()),
            Self::Plain(..) | Self::Decimal(..) => None,
        }
    }

    /// Whether a column of this type becomes one of `other` without a value being lost, as Iceberg allows it.
    pub fn widens_to(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Plain("int", _), Self::Plain("long", _)) | (Self::Plain("float", _), Self::Plain("double", _)) => {
                true
            }
            (Self::Decimal(from, scale), Self::Decimal(to, same)) => to > from && scale == same,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use asgard_sdk::json::json;

    use super::*;

    fn simple(name: &str) -> Value {
        json!({"rawType": name, "arguments": []})
    }

    #[test]
    fn types_are_told_in_icebergs_words_and_declared_in_trinos() {
        let of = |value: Value| json!({"kind": "TYPE", "value": value});
        let decimal =
            json!({"rawType": "decimal", "arguments": [{"kind": "LONG", "value": 10}, {"kind": "LONG", "value": 2}]});
        let field = json!({"kind": "NAMED_TYPE", "value": {"fieldName": {"name": "a"}, "typeSignature": decimal}});
        let row = json!({"rawType": "row", "arguments": [field]});
        let map = json!({"rawType": "map", "arguments": [of(simple("varchar")), of(row)]});
        let list = Type::of(&json!({"rawType": "array", "arguments": [of(map)]})).unwrap();
        assert_eq!(list.iceberg().unwrap(), "list<map<string,struct<a:decimal(10,2)>>>");
        assert_eq!(list.declared().unwrap(), r#"array(map(varchar,row("a" decimal(10,2))))"#);
        let time = json!({"rawType": "timestamp with time zone", "arguments": [{"kind": "LONG", "value": 3}]});
        let time = Type::of(&time).unwrap();
        assert_eq!(time.iceberg().unwrap(), "timestamptz");
        assert_eq!(time.declared().unwrap(), "timestamp(6) with time zone");
        for unknown in ["unknown", "interval day to second", "json"] {
            assert_eq!(Type::of(&simple(unknown)), None, "{unknown}");
        }
        assert_eq!(Type::List(Box::new(Type::Other("json".to_owned()))).foreign(), Some("json"));
    }

    #[test]
    fn a_column_widens_as_iceberg_allows() {
        let of = |name: &str| Type::of(&simple(name)).unwrap();
        assert!(of("integer").widens_to(&of("bigint")) && of("real").widens_to(&of("double")));
        assert!(!of("bigint").widens_to(&of("integer")) && !of("integer").widens_to(&of("double")));
        assert!(Type::Decimal(5, 2).widens_to(&Type::Decimal(9, 2)));
        assert!(!Type::Decimal(5, 2).widens_to(&Type::Decimal(9, 3)));
    }
}
