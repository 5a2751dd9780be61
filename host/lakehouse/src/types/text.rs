//! Types as text, the way the contract writes them: `long`, `decimal(10,2)`, `list<struct<a:int,b:string>>`.

use asgard_contract::{Error, Result};
use iceberg::spec::{NestedField, PrimitiveType, Type};

use super::{NO_ID, list, map, structure};

/// Deeper types are refused: the reader below and every engine after it recurse.
const DEPTH_AT_MOST: usize = 32;

/// Writes a type.
pub(crate) fn format(data_type: &Type) -> String {
    match data_type {
        Type::Primitive(PrimitiveType::Decimal { precision, scale }) => format!("decimal({precision},{scale})"),
        Type::Primitive(PrimitiveType::Fixed(length)) => format!("fixed[{length}]"),
        Type::Primitive(primitive) => primitive.to_string(),
        Type::List(list) => format!("list<{}>", format(&list.element_field.field_type)),
        Type::Map(map) => format!("map<{},{}>", format(&map.key_field.field_type), format(&map.value_field.field_type)),
        Type::Struct(fields) => {
            let fields: Vec<String> =
                fields.fields().iter().map(|field| format!("{}:{}", field.name, format(&field.field_type))).collect();
            format!("struct<{}>", fields.join(","))
        }
    }
}

/// Reads a type.
///
/// # Errors
/// `invalid-input` without a field, with what was expected.
pub(crate) fn parse(text: &str) -> Result<Type> {
    let mut reader = Reader { rest: text, whole: text };
    let parsed = reader.data_type(0)?;
    if reader.rest.trim().is_empty() { Ok(parsed) } else { Err(reader.unexpected("the end")) }
}

struct Reader<'a> {
    rest: &'a str,
    whole: &'a str,
}

impl<'a> Reader<'a> {
    fn data_type(&mut self, depth: usize) -> Result<Type> {
        if depth > DEPTH_AT_MOST {
            return Err(refused(format!("type `{}` is nested more than {DEPTH_AT_MOST} deep", self.whole)));
        }
        let name = self.word();
        let primitive = match name.to_ascii_lowercase().as_str() {
            "boolean" => PrimitiveType::Boolean,
            "int" => PrimitiveType::Int,
            "long" => PrimitiveType::Long,
            "float" => PrimitiveType::Float,
            "double" => PrimitiveType::Double,
            "date" => PrimitiveType::Date,
            "time" => PrimitiveType::Time,
            "timestamp" => PrimitiveType::Timestamp,
            "timestamptz" => PrimitiveType::Timestamptz,
            "string" => PrimitiveType::String,
            "uuid" => PrimitiveType::Uuid,
            "binary" => PrimitiveType::Binary,
            "decimal" => return self.decimal(),
            "fixed" => return self.fixed(),
            "list" => {
                self.expect('<')?;
                let element = self.data_type(depth + 1)?;
                self.expect('>')?;
                return Ok(list(NO_ID, element, false));
            }
            "map" => {
                self.expect('<')?;
                let key = self.data_type(depth + 1)?;
                self.expect(',')?;
                let value = self.data_type(depth + 1)?;
                self.expect('>')?;
                return Ok(map(NO_ID, key, NO_ID, value, false));
            }
            "struct" => return self.structure(depth),
            _ => {
                return Err(refused(format!(
                    "`{}` is no type: expected boolean, int, long, float, double, decimal(p,s), date, time, timestamp, timestamptz, string, uuid, binary, fixed[n], list<…>, map<…,…> or struct<name:…>",
                    self.whole
                )));
            }
        };
        Ok(Type::Primitive(primitive))
    }

    fn decimal(&mut self) -> Result<Type> {
        self.expect('(')?;
        let precision = self.number()?;
        self.expect(',')?;
        let scale = self.number()?;
        self.expect(')')?;
        if precision == 0 || precision > 38 || scale > precision {
            return Err(refused(format!(
                "`{}`: a decimal has 1 to 38 digits, and no more of them after the point",
                self.whole
            )));
        }
        Ok(Type::Primitive(PrimitiveType::Decimal { precision, scale }))
    }

    fn fixed(&mut self) -> Result<Type> {
        self.expect('[')?;
        let length = self.number()?;
        self.expect(']')?;
        Ok(Type::Primitive(PrimitiveType::Fixed(u64::from(length))))
    }

    fn structure(&mut self, depth: usize) -> Result<Type> {
        self.expect('<')?;
        let mut fields = Vec::new();
        loop {
            // A name may have any character but the one that ends it.
            let Some((name, rest)) = self.rest.split_once(':') else { return Err(self.unexpected("`name:type`")) };
            let name = name.trim();
            if name.is_empty() {
                return Err(self.unexpected("a field's name"));
            }
            self.rest = rest;
            fields.push(NestedField::optional(NO_ID, name, self.data_type(depth + 1)?));
            if !self.take(',') {
                break;
            }
        }
        self.expect('>')?;
        Ok(structure(fields))
    }

    fn word(&mut self) -> &'a str {
        let text = self.rest.trim_start();
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        self.rest = rest;
        word
    }

    fn number(&mut self) -> Result<u32> {
        let word = self.word();
        word.parse().map_err(|_| refused(format!("`{}`: expected a number, not `{word}`", self.whole)))
    }

    fn take(&mut self, wanted: char) -> bool {
        match self.rest.trim_start().strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, wanted: char) -> Result<()> {
        if self.take(wanted) { Ok(()) } else { Err(self.unexpected(&format!("`{wanted}`"))) }
    }

    fn unexpected(&self, wanted: &str) -> Error {
        refused(format!("type `{}`: expected {wanted} before `{}`", self.whole, self.rest.trim_start()))
    }
}

fn refused(message: String) -> Error {
    Error::InvalidInput { field: None, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_reads_back_as_it_was_written() {
        for text in [
            "boolean",
            "int",
            "long",
            "float",
            "double",
            "decimal(10,2)",
            "decimal(38,0)",
            "date",
            "time",
            "timestamp",
            "timestamptz",
            "string",
            "uuid",
            "binary",
            "fixed[16]",
            "list<long>",
            "map<string,list<double>>",
            "struct<a:int,b c:struct<d:decimal(5,5)>>",
        ] {
            assert_eq!(format(&parse(text).unwrap()), text);
        }
        assert_eq!(format(&parse(" decimal( 10 , 2 ) ").unwrap()), "decimal(10,2)");
    }

    #[test]
    fn what_is_no_type_is_refused_in_words() {
        for text in ["", "bigint", "decimal", "decimal(39,1)", "decimal(2,3)", "list<", "list<int", "map<int>", "int>"]
        {
            let error = parse(text).unwrap_err();
            assert!(matches!(error, Error::InvalidInput { .. }), "{text}: {error:?}");
        }
        assert!(parse(&format!("{}int{}", "list<".repeat(99), ">".repeat(99))).is_err());
    }
}
