//! `get_json_object`: parts of a document by Hive's paths, `$.name[0]['name'].*[*]`.
//!
//! What several parts become is Hive's own: one part alone stands for itself, text among others is in quotes, and `[*][*]` makes one
//! list of lists.

use super::json::{Kind, Node, write};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Member(String),
    AnyMember,
    Item(usize),
    AllItems,
}

/// None: it is no path.
pub(super) fn path(text: &str) -> Option<Vec<Step>> {
    let mut rest = text.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (step, behind) = if let Some(behind) = rest.strip_prefix(".*").or_else(|| rest.strip_prefix("['*']")) {
            (Step::AnyMember, behind)
        } else if let Some(behind) = rest.strip_prefix("[*]") {
            (Step::AllItems, behind)
        } else if let Some(behind) = rest.strip_prefix("['") {
            let (name, behind) =
                behind.split_once("']").filter(|(name, _)| !name.is_empty() && !name.contains('\''))?;
            (Step::Member(name.to_owned()), behind)
        } else if let Some(behind) = rest.strip_prefix('[') {
            let (index, behind) = behind.split_once(']')?;
            let is_number = !index.is_empty() && index.bytes().all(|digit| digit.is_ascii_digit());
            (Step::Item(is_number.then(|| index.parse().ok()).flatten()?), behind)
        } else {
            let behind = rest.strip_prefix('.')?;
            let end = behind.find(['.', '[']).unwrap_or(behind.len());
            let name = behind.get(..end).filter(|name| !name.is_empty())?;
            (Step::Member(name.to_owned()), &behind[end..])
        };
        steps.push(step);
        rest = behind;
    }
    Some(steps)
}

/// The part of a document at a path; none: there is none.
pub(super) fn found(node: &Node<'_>, path: &[Step]) -> Option<String> {
    let mut out = Output::default();
    taken(node, path, Style::Raw, &mut out).then_some(out.text)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Text without quotes.
    Raw,
    Quoted,
    /// Lists are taken apart.
    Flat,
}

/// JSON being written.
#[derive(Default)]
struct Output {
    text: String,
    /// By open list: whether it has an item.
    lists: Vec<bool>,
}

impl Output {
    fn separate(&mut self) {
        if let Some(has_item) = self.lists.last_mut() {
            if *has_item {
                self.text.push(',');
            }
            *has_item = true;
        }
    }

    fn value(&mut self, json: &str) {
        self.separate();
        self.text.push_str(json);
    }

    fn open(&mut self) {
        self.separate();
        self.text.push('[');
        self.lists.push(false);
    }

    fn close(&mut self) {
        self.text.push(']');
        self.lists.pop();
    }
}

/// Writes the parts at a path; whether there is any.
fn taken(node: &Node<'_>, path: &[Step], style: Style, out: &mut Output) -> bool {
    match (&node.kind, path) {
        (Kind::Text(text), []) if style == Style::Raw => {
            out.text.push_str(text);
            true
        }
        (Kind::List(items), []) if style == Style::Flat => each(items, path, Style::Flat, out) > 0,
        (_, []) => {
            let mut json = String::new();
            write(node, &mut json);
            out.value(&json);
            true
        }
        (Kind::Object(members), [Step::Member(wanted), rest @ ..]) => members
            .iter()
            .any(|(name, value)| name == wanted && value.kind != Kind::Null && taken(value, rest, style, out)),
        (Kind::Object(members), [Step::AnyMember, rest @ ..]) => {
            members.iter().any(|(_, value)| taken(value, rest, style, out))
        }
        (Kind::List(items), [Step::AllItems, Step::AllItems, rest @ ..]) => {
            out.open();
            let found = each(items, rest, Style::Flat, out);
            out.close();
            found > 0
        }
        (Kind::List(items), [Step::AllItems, rest @ ..]) if style != Style::Quoted => {
            let inner = if style == Style::Raw { Style::Quoted } else { Style::Flat };
            let mut list = Output::default();
            list.open();
            let found = each(items, rest, inner, &mut list);
            list.close();
            match found {
                0 => {}
                1 => out.value(&list.text[1..list.text.len() - 1]),
                _ => out.value(&list.text),
            }
            found > 0
        }
        (Kind::List(items), [Step::AllItems, rest @ ..]) => {
            out.open();
            let found = each(items, rest, Style::Quoted, out);
            out.close();
            found > 0
        }
        (Kind::List(items), [Step::Item(index), rest @ ..]) => {
            let style = if rest.first() == Some(&Step::AllItems) { Style::Quoted } else { style };
            items.get(*index).is_some_and(|item| taken(item, rest, style, out))
        }
        _ => false,
    }
}

fn each(items: &[Node<'_>], path: &[Step], style: Style, out: &mut Output) -> usize {
    items.iter().map(|item| usize::from(taken(item, path, style, out))).sum()
}

#[cfg(test)]
mod tests {
    use super::super::json::{Rules, parse};
    use super::*;

    #[test]
    fn parts_are_found_by_their_path() {
        let store = r#"{"s":{"f":[{"w":8,"t":"apple"},{"w":9,"t":"pear"}],"b":[[1,2,{"x":"y"}],[3]]},"n":null,"e.f":1,"o":"it"}"#;
        for (path_text, expected) in [
            ("$.o", Some("it")),
            ("$.s.f[0].t", Some("apple")),
            ("$.s.f[*].t", Some(r#"["apple","pear"]"#)),
            ("$.s.f[5]", None),
            ("$.n", None),
            ("$['e.f']", Some("1")),
            ("$.s.b[0][2].x", Some("y")),
            ("$.s.b[*][*]", Some(r#"[1,2,{"x":"y"},3]"#)),
            ("$.s.b[*][0]", Some("[1,3]")),
            ("$.s.f[*].q", None),
            ("$.", None),
            ("s", None),
            ("$.s.*[0].w", Some("8")),
        ] {
            let node = parse(store, Rules::HIVE).unwrap();
            let found = path(path_text).and_then(|path| found(&node, &path));
            assert_eq!(found.as_deref(), expected, "{path_text}");
        }
    }
}
