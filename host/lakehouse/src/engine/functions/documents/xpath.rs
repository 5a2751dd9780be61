//! `xpath` and its like: XPath 1.0 over one document.
//!
//! Not supported, and refused: variables, prefixes of names, and the axes that go through the whole document (`following`,
//! `preceding`). A document that is no XML is an error, as in Spark; an empty one has no value.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array,
    ListBuilder, StringArray, StringBuilder,
};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use roxmltree::{Attribute, Document, Node};

use super::xpath_reading::{Axis, Expr, Operator, Step, Test, parse};
use crate::engine::functions::text::value;

/// A node of a document, or an attribute of one.
#[derive(Debug, Clone, Copy)]
enum Item<'d> {
    Node(Node<'d, 'd>),
    Attribute(Node<'d, 'd>, Attribute<'d, 'd>),
}

impl<'d> Item<'d> {
    /// Where it is in the document.
    fn place(&self) -> (u32, usize) {
        match self {
            Self::Node(node) => (node.id().get(), 0),
            Self::Attribute(owner, attribute) => {
                let at = owner.attributes().position(|other| other == *attribute);
                (owner.id().get(), at.map_or(0, |at| at + 1))
            }
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Attribute(_, attribute) => attribute.value().to_owned(),
            Self::Node(node) if node.is_text() || node.is_comment() => node.text().unwrap_or_default().to_owned(),
            Self::Node(node) => {
                let texts = node.descendants().filter(Node::is_text);
                texts.filter_map(|text| text.text()).collect()
            }
        }
    }

    fn name(&self) -> &'d str {
        match self {
            Self::Attribute(_, attribute) => attribute.name(),
            Self::Node(node) if node.is_element() => node.tag_name().name(),
            Self::Node(_) => "",
        }
    }

    fn on(&self, axis: Axis) -> Vec<Self> {
        let nodes = |nodes: &mut dyn Iterator<Item = Node<'d, 'd>>| nodes.map(Self::Node).collect();
        match (self, axis) {
            (item, Axis::Itself) => vec![*item],
            (Self::Attribute(owner, _), Axis::Parent) => vec![Self::Node(*owner)],
            (Self::Attribute(owner, _), Axis::Ancestor) => nodes(&mut owner.ancestors()),
            (Self::Attribute(owner, _), Axis::AncestorOrSelf) => {
                std::iter::once(*self).chain(owner.ancestors().map(Self::Node)).collect()
            }
            (Self::Attribute(..), Axis::DescendantOrSelf) => vec![*self],
            (Self::Attribute(..), _) => Vec::new(),
            (Self::Node(node), Axis::Child) => nodes(&mut node.children()),
            (Self::Node(node), Axis::Descendant) => nodes(&mut node.descendants().skip(1)),
            (Self::Node(node), Axis::DescendantOrSelf) => nodes(&mut node.descendants()),
            (Self::Node(node), Axis::Parent) => nodes(&mut node.parent().into_iter()),
            (Self::Node(node), Axis::Ancestor) => nodes(&mut node.ancestors().skip(1)),
            (Self::Node(node), Axis::AncestorOrSelf) => nodes(&mut node.ancestors()),
            (Self::Node(node), Axis::FollowingSibling) => nodes(&mut node.next_siblings().skip(1)),
            (Self::Node(node), Axis::PrecedingSibling) => nodes(&mut node.prev_siblings().skip(1)),
            (Self::Node(node), Axis::Attribute) => {
                node.attributes().map(|attribute| Self::Attribute(*node, attribute)).collect()
            }
        }
    }

    fn passes(&self, test: &Test) -> bool {
        match (test, self) {
            (Test::Node, _) => true,
            (Test::Name(name), _) => self.name() == name,
            (Test::Any, Self::Attribute(..)) => true,
            (Test::Any, Self::Node(node)) => node.is_element(),
            (Test::Text, Self::Node(node)) => node.is_text(),
            (Test::Comment, Self::Node(node)) => node.is_comment(),
            (_, Self::Attribute(..)) => false,
        }
    }
}

/// What an expression comes to.
#[derive(Debug, Clone)]
enum Value<'d> {
    Items(Vec<Item<'d>>),
    Number(f64),
    Text(String),
    Truth(bool),
}

impl Value<'_> {
    fn text(&self) -> String {
        match self {
            Self::Items(items) => items.first().map(Item::text).unwrap_or_default(),
            Self::Number(number) if number.is_infinite() => {
                if *number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
            }
            Self::Number(number) => format!("{}", number + 0.0),
            Self::Text(text) => text.clone(),
            Self::Truth(truth) => truth.to_string(),
        }
    }

    fn number(&self) -> f64 {
        match self {
            Self::Number(number) => *number,
            Self::Truth(truth) => f64::from(u8::from(*truth)),
            other => number(&other.text()),
        }
    }

    fn truth(&self) -> bool {
        match self {
            Self::Items(items) => !items.is_empty(),
            Self::Number(number) => *number != 0.0 && !number.is_nan(),
            Self::Text(text) => !text.is_empty(),
            Self::Truth(truth) => *truth,
        }
    }
}

/// Digits with a point, and a minus before them; else not a number.
fn number(text: &str) -> f64 {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_number { text.parse().unwrap_or(f64::NAN) } else { f64::NAN }
}

/// Where an expression stands.
struct Context<'d> {
    item: Item<'d>,
    position: usize,
    count: usize,
    document: &'d Document<'d>,
}

fn wrong<T>(what: &str) -> Result<T> {
    exec_err!("XPath: {what}")
}

impl<'d> Context<'d> {
    fn at(&self, item: Item<'d>, position: usize, count: usize) -> Self {
        Self { item, position, count, document: self.document }
    }

    fn value(&self, expr: &Expr) -> Result<Value<'d>> {
        Ok(match expr {
            Expr::Number(number) => Value::Number(*number),
            Expr::Text(text) => Value::Text(text.clone()),
            Expr::Negative(inner) => Value::Number(-self.value(inner)?.number()),
            Expr::Binary(operator, left, right) => self.binary(*operator, left, right)?,
            Expr::Call(name, arguments) => self.call(name, arguments)?,
            Expr::Path { absolute, steps } => {
                let from = if *absolute { Item::Node(self.document.root()) } else { self.item };
                Value::Items(self.steps(vec![from], steps)?)
            }
            Expr::Filter { of, predicates, steps } => {
                let items = self.items(of)?;
                let kept = predicates.iter().try_fold(items, |items, predicate| self.kept(items, predicate))?;
                Value::Items(self.steps(kept, steps)?)
            }
        })
    }

    fn items(&self, expr: &Expr) -> Result<Vec<Item<'d>>> {
        match self.value(expr)? {
            Value::Items(items) => Ok(items),
            _ => wrong("expected nodes, not a number, text or truth"),
        }
    }

    fn steps(&self, from: Vec<Item<'d>>, steps: &[Step]) -> Result<Vec<Item<'d>>> {
        let mut items = from;
        for step in steps {
            let mut next = Vec::new();
            for item in items {
                let on: Vec<Item<'d>> = item.on(step.axis).into_iter().filter(|item| item.passes(&step.test)).collect();
                next.extend(step.predicates.iter().try_fold(on, |items, predicate| self.kept(items, predicate))?);
            }
            items = in_order(next);
        }
        Ok(items)
    }

    fn kept(&self, items: Vec<Item<'d>>, predicate: &Expr) -> Result<Vec<Item<'d>>> {
        let count = items.len();
        let mut kept = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let is_kept = match self.at(item, index + 1, count).value(predicate)? {
                Value::Number(number) => number == (index + 1) as f64,
                other => other.truth(),
            };
            if is_kept {
                kept.push(item);
            }
        }
        Ok(kept)
    }

    fn binary(&self, operator: Operator, left: &Expr, right: &Expr) -> Result<Value<'d>> {
        if operator == Operator::Union {
            return Ok(Value::Items(in_order([self.items(left)?, self.items(right)?].concat())));
        }
        let left = self.value(left)?;
        match operator {
            Operator::Or if left.truth() => return Ok(Value::Truth(true)),
            Operator::And if !left.truth() => return Ok(Value::Truth(false)),
            _ => {}
        }
        let right = self.value(right)?;
        let (a, b) = (left.number(), right.number());
        Ok(match operator {
            Operator::Or | Operator::And => Value::Truth(right.truth()),
            Operator::Plus => Value::Number(a + b),
            Operator::Minus => Value::Number(a - b),
            Operator::Times => Value::Number(a * b),
            Operator::Divide => Value::Number(a / b),
            Operator::Modulo => Value::Number(a % b),
            comparison => Value::Truth(compared(comparison, &left, &right)),
        })
    }

    fn call(&self, name: &str, arguments: &[Expr]) -> Result<Value<'d>> {
        let values = arguments.iter().map(|argument| self.value(argument)).collect::<Result<Vec<_>>>()?;
        let own = || Value::Items(vec![self.item]);
        let letters = |text: String| text.chars().collect::<Vec<_>>();
        Ok(match (name, values.as_slice()) {
            ("true", []) => Value::Truth(true),
            ("false", []) => Value::Truth(false),
            ("not", [value]) => Value::Truth(!value.truth()),
            ("boolean", [value]) => Value::Truth(value.truth()),
            ("position", []) => Value::Number(self.position as f64),
            ("last", []) => Value::Number(self.count as f64),
            ("count", [Value::Items(items)]) => Value::Number(items.len() as f64),
            ("sum", [Value::Items(items)]) => {
                Value::Number(items.iter().map(|item| number(&item.text())).sum::<f64>() + 0.0)
            }
            ("number", []) => Value::Number(own().number()),
            ("number", [value]) => Value::Number(value.number()),
            ("floor", [value]) => Value::Number(value.number().floor()),
            ("ceiling", [value]) => Value::Number(value.number().ceil()),
            ("round", [value]) => Value::Number((value.number() + 0.5).floor()),
            ("string", []) => Value::Text(own().text()),
            ("string", [value]) => Value::Text(value.text()),
            ("concat", [_, _, ..]) => Value::Text(values.iter().map(Value::text).collect()),
            ("contains", [text, part]) => Value::Truth(text.text().contains(&part.text())),
            ("starts-with", [text, part]) => Value::Truth(text.text().starts_with(&part.text())),
            ("substring-before", [text, part]) => Value::Text(
                text.text().split_once(&part.text()).map_or_else(String::new, |(before, _)| before.to_owned()),
            ),
            ("substring-after", [text, part]) => Value::Text(
                text.text().split_once(&part.text()).map_or_else(String::new, |(_, after)| after.to_owned()),
            ),
            ("substring", [text, rest @ ..]) if matches!(rest.len(), 1 | 2) => {
                let rounded = |value: &Value<'_>| (value.number() + 0.5).floor();
                let first = rounded(&rest[0]);
                let end = rest.get(1).map_or(f64::INFINITY, |length| first + rounded(length));
                let kept = letters(text.text()).into_iter().enumerate().filter(|(index, _)| {
                    let place = (index + 1) as f64;
                    place >= first && place < end
                });
                Value::Text(kept.map(|(_, letter)| letter).collect())
            }
            ("string-length", []) => Value::Number(letters(own().text()).len() as f64),
            ("string-length", [text]) => Value::Number(letters(text.text()).len() as f64),
            ("normalize-space", []) => Value::Text(one_space(&own().text())),
            ("normalize-space", [text]) => Value::Text(one_space(&text.text())),
            ("translate", [text, from, to]) => {
                let (from, to) = (letters(from.text()), letters(to.text()));
                let replaced = text
                    .text()
                    .chars()
                    .filter_map(|letter| match from.iter().position(|other| *other == letter) {
                        Some(at) => to.get(at).copied(),
                        None => Some(letter),
                    })
                    .collect();
                Value::Text(replaced)
            }
            ("name" | "local-name", []) => Value::Text(self.item.name().to_owned()),
            ("name" | "local-name", [Value::Items(items)]) => {
                Value::Text(items.first().map(Item::name).unwrap_or_default().to_owned())
            }
            _ => return wrong(&format!("there is no function {name}() of {} such values", values.len())),
        })
    }
}

fn one_space(text: &str) -> String {
    text.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Each once, as they come in the document.
fn in_order(mut items: Vec<Item<'_>>) -> Vec<Item<'_>> {
    items.sort_by_key(Item::place);
    items.dedup_by_key(|item| item.place());
    items
}

/// Nodes are compared one by one: it is true if it is of any of them.
fn compared(operator: Operator, left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::Items(_), Value::Truth(_)) | (Value::Truth(_), Value::Items(_)) => {
            plainly(operator, &Value::Truth(left.truth()), &Value::Truth(right.truth()))
        }
        (Value::Items(items), _) => {
            let texts = items.iter().map(Item::text);
            texts.map(Value::Text).any(|text| compared(operator, &like(text, right), right))
        }
        (_, Value::Items(items)) => {
            let texts = items.iter().map(Item::text);
            texts.map(Value::Text).any(|text| compared(operator, left, &like(text, left)))
        }
        _ => plainly(operator, left, right),
    }
}

/// A node's text beside a number is a number.
fn like<'d>(text: Value<'d>, beside: &Value<'_>) -> Value<'d> {
    match beside {
        Value::Number(_) => Value::Number(text.number()),
        _ => text,
    }
}

fn plainly(operator: Operator, left: &Value<'_>, right: &Value<'_>) -> bool {
    let equal = || match (left, right) {
        (Value::Truth(_), _) | (_, Value::Truth(_)) => left.truth() == right.truth(),
        (Value::Number(_), _) | (_, Value::Number(_)) => left.number() == right.number(),
        _ => left.text() == right.text(),
    };
    let (a, b) = (left.number(), right.number());
    match operator {
        Operator::Equal => equal(),
        Operator::NotEqual => !equal(),
        Operator::Less => a < b,
        Operator::LessEqual => a <= b,
        Operator::Greater => a > b,
        _ => a >= b,
    }
}

/// An XML document of a text.
pub(super) fn document(text: &str) -> Result<Document<'_>> {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    Document::parse_with_options(text, options).or_else(|error| exec_err!("the text is no XML: {error}"))
}

/// Asks each document one thing; null where the document or the expression is, or is empty.
fn each<T>(arguments: &[ArrayRef], answer: impl Fn(Value<'_>) -> Result<T>) -> Result<Vec<Option<T>>> {
    let (texts, paths) = (arguments[0].as_string::<i32>(), arguments[1].as_string::<i32>());
    let mut last: Option<(&str, Expr)> = None;
    let mut out = Vec::with_capacity(texts.len());
    for row in 0..texts.len() {
        let text = value(texts, row).filter(|text| !text.is_empty());
        let (Some(text), Some(path)) = (text, value(paths, row).filter(|path| !path.is_empty())) else {
            out.push(None);
            continue;
        };
        if last.as_ref().is_none_or(|(known, _)| *known != path) {
            let Some(expr) = parse(path) else {
                return exec_err!("'{path}' is no XPath, as far as it is supported here");
            };
            last = Some((path, expr));
        }
        let Some((_, expr)) = &last else { return wrong("expected an expression") };
        let document = document(text)?;
        let context = Context { item: Item::Node(document.root()), position: 1, count: 1, document: &document };
        out.push(Some(answer(context.value(expr)?)?));
    }
    Ok(out)
}

macro_rules! answers {
    ($($name:ident: $array:ty, $value:ident => $result:expr;)*) => {
        $(pub(in crate::engine) fn $name(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
            Ok(Arc::new(<$array>::from(each(arguments, |$value| Ok($result))?)))
        })*
    };
}

answers! {
    truth: BooleanArray, value => value.truth();
    text: StringArray, value => value.text();
    double: Float64Array, value => value.number();
    float: Float32Array, value => value.number() as f32;
    // As Java casts: not a number is 0, what is too large the largest, and a short is cut off.
    int: Int32Array, value => value.number() as i32;
    long: Int64Array, value => value.number() as i64;
    short: Int16Array, value => (value.number() as i32) as i16;
}

/// `xpath(document, path)`: the texts of the nodes; of elements, which have none of their own, null.
pub(in crate::engine) fn texts(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let found = each(arguments, |value| match value {
        Value::Items(items) => Ok(items
            .iter()
            .map(|item| match item {
                Item::Node(node) if !node.is_text() && !node.is_comment() => None,
                other => Some(other.text()),
            })
            .collect::<Vec<_>>()),
        _ => wrong("xpath takes a path to nodes: use xpath_string or xpath_number"),
    })?;
    let mut out = ListBuilder::new(StringBuilder::new());
    for texts in found {
        match texts {
            Some(texts) => out.append_value(texts),
            None => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_have_xpath_s_values() {
        let xml = "<a x='7'><b>1</b><b n='2'>2</b><c><b>30</b></c><d> t  u </d></a>";
        let document = Document::parse(xml).unwrap();
        let context = Context { item: Item::Node(document.root()), position: 1, count: 1, document: &document };
        for (path, expected) in [
            ("a/b", "1"),
            ("sum(a/b)", "3"),
            ("sum(//b)", "33"),
            ("count(/a/*)", "4"),
            ("a/b[2]", "2"),
            ("a/b[last()]/@n", "2"),
            ("a/b[@n='2'] = 2", "true"),
            ("a/@x + 1", "8"),
            ("a/b = 5 or a/c/b > 29.5", "true"),
            ("normalize-space(a/d)", "t u"),
            ("name(a/*[3])", "c"),
            ("//b[../@x]", "1"),
            ("a/c/b/ancestor::a/@x", "7"),
            ("substring('12345', 2, 3)", "234"),
            ("translate('bar', 'abc', 'AB')", "BAr"),
            ("-a/b[1] * 4 div 8", "-0.5"),
            ("7 mod 4", "3"),
            ("a/q", ""),
            ("a/b[position() < 2] | a/d/text()", "1"),
            ("(//b)[3]", "30"),
            ("a/b[2]/preceding-sibling::b", "1"),
            ("string(1 div 0)", "Infinity"),
        ] {
            let found = context.value(&parse(path).unwrap_or_else(|| panic!("{path}"))).unwrap();
            assert_eq!(found.text(), expected, "{path}");
        }
        for path in ["a/", "a[", "$x", "n:a", "f(", "a b"] {
            assert_eq!(parse(path), None, "{path}");
        }
    }
}
