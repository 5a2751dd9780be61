//! Fields that are misspelt.
//!
//! A body may have fields that its route does not know: clients send what other versions of this API take, so those are
//! ignored. One that is very near to a field of the same object was meant to be that field, and is refused: if it were ignored, the
//! default would be taken instead, and `writeMode: append` would overwrite a table.
//!
//! What fields an object has is what the OpenAPI document says of the type, so that there is no second list to forget.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ArrayItems, Schema};

/// A field that no object of its kind has, and the one that it is nearly.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misspelt {
    /// A path into the body: `streams[0].sync_mode`.
    pub(crate) field: String,
    pub(crate) meant: String,
}

/// The first misspelt field of a body that is read as a `T`. None also for what is no document at all: reading it says why.
pub(crate) fn find<'de, T: ToSchema>(document: impl Deserializer<'de>) -> Option<Misspelt> {
    let mut named = vec![(String::new(), T::schema())];
    T::schemas(&mut named);
    let mut found = None;
    let mut place = Place { shapes: Vec::new(), named: &named, path: String::new(), found: &mut found };
    if let Some((_, root)) = named.first() {
        place.add(root);
    }
    // An error ends the walk: of the document, or for the field that was found.
    let _ = place.deserialize(document);
    found
}

type Named = [(String, RefOr<Schema>)];

/// A place in a document, and what may stand there.
struct Place<'a> {
    /// More than one where the type is an enum, and none where anything may stand.
    shapes: Vec<&'a Schema>,
    named: &'a Named,
    path: String,
    found: &'a mut Option<Misspelt>,
}

impl<'a> Place<'a> {
    fn add(&mut self, schema: &'a RefOr<Schema>) {
        match schema {
            RefOr::Ref(to) => {
                let name = to.ref_location.rsplit('/').next().unwrap_or_default();
                let named = self.named;
                if let Some((_, schema)) = named.iter().skip(1).find(|(known, _)| known == name) {
                    self.add(schema);
                }
            }
            RefOr::T(Schema::OneOf(several)) => several.items.iter().for_each(|one| self.add(one)),
            RefOr::T(Schema::AllOf(several)) => several.items.iter().for_each(|one| self.add(one)),
            RefOr::T(Schema::AnyOf(several)) => several.items.iter().for_each(|one| self.add(one)),
            RefOr::T(schema) => self.shapes.push(schema),
        }
    }

    fn fields(&self) -> impl Iterator<Item = (&'a str, &'a RefOr<Schema>)> {
        let objects = self.shapes.iter().filter_map(|shape| match shape {
            Schema::Object(object) => Some(&object.properties),
            _ => None,
        });
        objects.flatten().map(|(name, schema)| (name.as_str(), schema))
    }

    fn inner(&mut self, path: String, schemas: impl IntoIterator<Item = &'a RefOr<Schema>>) -> Place<'_> {
        let mut inner = Place { shapes: Vec::new(), named: self.named, path, found: &mut *self.found };
        for schema in schemas {
            inner.add(schema);
        }
        inner
    }

    /// The value of this field.
    fn field(&mut self, name: &str) -> Place<'_> {
        let mut schemas: Vec<_> = self.fields().filter(|(known, _)| *known == name).map(|(_, schema)| schema).collect();
        schemas.extend(self.shapes.iter().filter_map(|shape| match shape {
            Schema::Object(object) => match object.additional_properties.as_deref() {
                Some(AdditionalProperties::RefOr(schema)) => Some(schema),
                _ => None,
            },
            _ => None,
        }));
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        self.inner(path, schemas)
    }

    /// An element of this list.
    fn element(&mut self, index: usize) -> Place<'_> {
        let schemas: Vec<_> = self
            .shapes
            .iter()
            .filter_map(|shape| match shape {
                Schema::Array(array) => match &array.items {
                    ArrayItems::RefOrSchema(schema) => Some(&**schema),
                    ArrayItems::False => None,
                },
                _ => None,
            })
            .collect();
        self.inner(format!("{}[{index}]", self.path), schemas)
    }

    /// The field that `name` is nearly, unless it is one.
    fn meant(&self, name: &str) -> Option<&'a str> {
        if self.fields().any(|(known, _)| known == name) {
            return None;
        }
        self.fields().map(|(known, _)| known).find(|known| is_nearly(name, known))
    }
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, document: D) -> Result<(), D::Error> {
        if self.shapes.is_empty() {
            return IgnoredAny::deserialize(document).map(|_| ());
        }
        document.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if let Some(meant) = self.meant(&name) {
                let field = if self.path.is_empty() { name } else { format!("{}.{name}", self.path) };
                *self.found = Some(Misspelt { field, meant: meant.to_owned() });
                return Err(A::Error::custom("misspelt"));
            }
            map.next_value_seed(self.field(&name))?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        let mut index = 0;
        while list.next_element_seed(self.element(index))?.is_some() {
            index += 1;
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Shorter names are near to too many words that mean something else: `name` and `same`.
const SHORTEST: usize = 5;

/// From this length on, two letters may be wrong.
const LONG: usize = 8;

/// Whether a name can only have been meant to be the known one: written in another style, or with a slip of the keyboard.
fn is_nearly(name: &str, known: &str) -> bool {
    let plain = |name: &str| name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect();
    let (name, known): (Vec<char>, Vec<char>) = (plain(name), plain(known));
    let most = match known.len() {
        ..SHORTEST => 0,
        SHORTEST..LONG => 1,
        LONG.. => 2,
    };
    name.len().abs_diff(known.len()) <= most && slips(&name, &known) <= most
}

/// Letters to change, to put in, to leave out, or neighbours to swap, until one is the other.
fn slips(one: &[char], other: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, wanted) in other.iter().enumerate() {
            let mut least =
                (last[column] + usize::from(letter != wanted)).min(last[column + 1] + 1).min(next[column] + 1);
            if row > 0 && column > 0 && *letter == other[column - 1] && one[row - 1] == *wanted {
                least = least.min(before[column - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut last, next);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;

    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Whole {
        write_mode: String,
        name: String,
        parts: Option<Vec<Part>>,
        parameters: BTreeMap<String, Part>,
        #[schema(value_type = Object)]
        config: Value,
        change: Option<Change>,
    }

    #[derive(ToSchema)]
    #[serde(rename_all = "camelCase")]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Part {
        sync_mode: String,
        prefix: Option<String>,
    }

    #[derive(ToSchema)]
    #[serde(tag = "action", rename_all = "snake_case")]
    #[expect(dead_code, reason = "only its schema is used")]
    enum Change {
        Add { column: String },
        Remove { position: u32 },
    }

    fn found(body: Value) -> Option<(String, String)> {
        find::<Whole>(&body).map(|slip| (slip.field, slip.meant))
    }

    #[test]
    fn what_is_nearly_a_field_of_the_same_object_is_found_wherever_it_is() {
        for (body, field, meant) in [
            (json!({"writeMode": "append"}), "writeMode", "write_mode"),
            (json!({"Write-Mode": "append"}), "Write-Mode", "write_mode"),
            (json!({"write_mdoe": "append"}), "write_mdoe", "write_mode"),
            (json!({"NAME": "x"}), "NAME", "name"),
            (json!({"parts": [{"syncMode": "a"}, {"sync_mode": "a"}]}), "parts[1].sync_mode", "syncMode"),
            (json!({"parts": [{"prefx": "a"}]}), "parts[0].prefx", "prefix"),
            (json!({"parameters": {"prefx": {"sincMode": "a"}}}), "parameters.prefx.sincMode", "syncMode"),
            (json!({"change": {"action": "add", "colum": "a"}}), "change.colum", "column"),
            (json!({"change": {"action": "remove", "postition": 1}}), "change.postition", "position"),
        ] {
            assert_eq!(found(body.clone()), Some((field.to_owned(), meant.to_owned())), "{body}");
        }
    }

    #[test]
    fn what_is_like_no_field_is_left_alone() {
        for body in [
            json!({"write_mode": "append", "name": "x", "workspace": "y", "parts": [{"syncMode": "a", "color": 1}]}),
            json!({"game": "x", "nam": "y", "mode": 1, "kind": null}),
            json!({"config": {"writeMode": 1, "syncMod": 2}, "parameters": {"syncMode": {}, "sync_mode": {}}}),
            json!({"parts": null, "write_mode": {"sync_mode": 1}, "name": [1.5, true, null, -1]}),
            json!([{"writeMode": 1}]),
            json!("text"),
        ] {
            assert_eq!(found(body.clone()), None, "{body}");
        }
    }

    #[test]
    fn a_text_that_is_no_document_has_no_fields() {
        assert_eq!(find::<Whole>(&mut serde_json::Deserializer::from_str("{\"write_mode\": ")), None);
    }

    #[test]
    fn slips_are_counted() {
        for (one, other, count) in
            [("", "", 0), ("ab", "ba", 1), ("prefx", "prefix", 1), ("abc", "", 3), ("mdoe", "mode", 1)]
        {
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            assert_eq!(slips(&letters(one), &letters(other)), count, "{one} {other}");
        }
    }
}
