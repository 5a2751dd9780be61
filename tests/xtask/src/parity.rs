//! `cargo xtask parity`: statements that a real engine was asked, asked of the embedded engine, and the answers compared.
//!
//! What the real engine says is data in `tests/parity/ENGINE/cases.jsonl`, with the script that makes it beside it.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use asgard_journey::client::Client;
use asgard_journey::host::Host;
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::build::{self, Profile};
use crate::shell::{cache, root, say};

/// Compare the embedded engine with a real one.
#[derive(Debug, Args)]
pub(crate) struct Parity {
    engine: Engine,
    /// End with the figures as one line of JSON, and nothing else on standard output.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Engine {
    /// The worked examples of Spark's own functions.
    Spark,
    /// What feature engineering uses of Trino.
    Trino,
}

/// A statement with what the real engine answers.
#[derive(Debug, Deserialize)]
struct Case {
    sql: String,
    #[serde(default)]
    types: Vec<String>,
    #[serde(default)]
    rows: Vec<Vec<Value>>,
    /// It refuses the statement.
    error: Option<String>,
}

/// How the embedded engine did.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Same,
    /// It says that it cannot.
    Refused(String),
    /// It answers something else.
    Wrong(String),
}

#[derive(Debug, Serialize)]
struct Report {
    engine: Engine,
    cases: usize,
    same: usize,
    refused: usize,
    wrong: usize,
}

impl Parity {
    pub(crate) fn run(self) -> Result<()> {
        let built = build::everything(Profile::Dev)?;
        let folder = cache()?.join(format!("parity-{}", std::process::id()));
        let host = Host::start_light(&built, &folder, 0)?;
        let name = self.engine.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let cases = cases(&root().join("tests/parity").join(&name).join("cases.jsonl"))?;
        let client = host.client();
        let mut report = Report { engine: self.engine, cases: cases.len(), same: 0, refused: 0, wrong: 0 };
        for case in &cases {
            let told = match ask(&client, &name, case)? {
                Outcome::Same => {
                    report.same += 1;
                    continue;
                }
                Outcome::Refused(why) => {
                    report.refused += 1;
                    format!("refused  {}\n         {why}", case.sql)
                }
                Outcome::Wrong(how) => {
                    report.wrong += 1;
                    format!("WRONG    {}\n         {how}", case.sql)
                }
            };
            if self.json {
                eprintln!("{told}");
            } else {
                println!("{told}");
            }
        }
        host.stop()?;
        std::fs::remove_dir_all(&folder)?;
        say(&format!("{} of {} cases are the same", report.same, report.cases));
        println!("{}", serde_json::to_string(&report)?);
        Ok(())
    }
}

fn cases(file: &Path) -> Result<Vec<Case>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let lines = text.lines().filter(|line| !line.is_empty());
    let cases: Vec<Case> = lines
        .map(|line| serde_json::from_str(line).with_context(|| format!("no case: {line}")))
        .collect::<Result<_>>()?;
    ensure!(!cases.is_empty(), "{} is empty", file.display());
    Ok(cases)
}

fn ask(client: &Client, dialect: &str, case: &Case) -> Result<Outcome> {
    let body = json!({"dialect": dialect, "sql": case.sql, "max_rows": 10_000});
    let answer = client.send("POST", "/lakehouse/query", Some(&body), &[])?;
    if answer.status >= 500 {
        return Ok(Outcome::Wrong(format!("{}: {}", answer.status, answer.body["detail"])));
    }
    let refused = answer.status != 200;
    if let Some(error) = &case.error {
        return Ok(if refused { Outcome::Same } else { Outcome::Wrong(format!("an answer, where {error} is right")) });
    }
    if refused {
        return Ok(Outcome::Refused(answer.body["detail"].as_str().unwrap_or_default().to_owned()));
    }
    Ok(compare(case, &answer.body).map_or_else(Outcome::Wrong, |()| Outcome::Same))
}

/// # Errors
/// With the first difference.
fn compare(case: &Case, answer: &Value) -> std::result::Result<(), String> {
    let columns = answer["columns"].as_array().map_or(&[][..], Vec::as_slice);
    if columns.len() != case.types.len() {
        return Err(format!("{} columns, where {} are right", columns.len(), case.types.len()));
    }
    for (column, right) in columns.iter().zip(&case.types) {
        let (ours, right) = (column["type"].as_str().unwrap_or_default(), kind(right));
        if ours != right {
            return Err(format!("type {ours}, where {right} is right"));
        }
    }
    let rows = answer["rows"].as_array().map_or(&[][..], Vec::as_slice);
    if rows.len() != case.rows.len() {
        return Err(format!("{} rows, where {} are right", rows.len(), case.rows.len()));
    }
    // Rows are objects, whose members have no order.
    let names: Vec<&str> = columns.iter().map(|column| column["name"].as_str().unwrap_or_default()).collect();
    let mut rows: Vec<Vec<&Value>> = rows.iter().map(|row| names.iter().map(|name| &row[*name]).collect()).collect();
    let is_ordered = case.sql.to_ascii_uppercase().contains("ORDER BY");
    for right in &case.rows {
        let among = if is_ordered { &rows[..1] } else { &rows[..] };
        let Some(found) = among.iter().position(|ours| ours.iter().zip(right).all(|(ours, right)| is(ours, right)))
        else {
            return Err(format!("{}, where {} is right", json!(rows), json!(right)));
        };
        rows.remove(found);
    }
    Ok(())
}

/// The name that the lakehouse has for a type of a real engine.
fn kind(theirs: &str) -> String {
    let theirs = theirs.trim();
    if let Some(inner) = inside(theirs, "array") {
        return format!("list<{}>", kind(inner));
    }
    if let Some(inner) = inside(theirs, "map") {
        let parts = split(inner);
        return format!("map<{}>", parts.iter().map(|part| kind(part)).collect::<Vec<_>>().join(","));
    }
    if let Some(inner) = inside(theirs, "struct") {
        let field = |part: &&str| match part.split_once(':') {
            Some((name, inner)) => format!("{name}:{}", kind(inner)),
            None => (*part).to_owned(),
        };
        return format!("struct<{}>", split(inner).iter().map(field).collect::<Vec<_>>().join(","));
    }
    if let Some(inner) = inside(theirs, "row") {
        let field = |part: &&str| match part.trim().split_once(' ') {
            Some((name, inner)) => format!("{}:{}", name.trim_matches('"'), kind(inner)),
            None => kind(part),
        };
        return format!("struct<{}>", split(inner).iter().map(field).collect::<Vec<_>>().join(","));
    }
    let name = theirs.split('(').next().unwrap_or_default();
    match name {
        "tinyint" | "smallint" | "int" | "integer" => "int".to_owned(),
        "bigint" => "long".to_owned(),
        "real" => "float".to_owned(),
        "varchar" | "char" | "string" => "string".to_owned(),
        "varbinary" => "binary".to_owned(),
        "timestamp_ntz" => "timestamp".to_owned(),
        "timestamp" if theirs == "timestamp" => "timestamptz".to_owned(),
        "timestamp" if theirs.ends_with("with time zone") => "timestamptz".to_owned(),
        // Of Trino, with its digits: here they are always six.
        "timestamp" => "timestamp".to_owned(),
        "decimal" => theirs.replace(' ', ""),
        // Of intervals Python has no months: they come as texts, on both sides.
        _ => theirs.to_owned(),
    }
}

fn inside<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let rest = text.strip_prefix(name)?;
    let angled = rest.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    angled.or_else(|| rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')))
}

/// At the commas that are in no brackets.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut begin) = (Vec::new(), 0, 0);
    for (index, character) in text.char_indices() {
        match character {
            '<' | '(' => depth += 1,
            '>' | ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[begin..index]);
                begin = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

/// Whether a value of ours is what the real engine said.
fn is(ours: &Value, right: &Value) -> bool {
    match (ours, right) {
        (Value::Null, Value::Null) => true,
        (Value::Array(ours), Value::Array(right)) => {
            ours.len() == right.len() && ours.iter().zip(right).all(|(ours, right)| is(ours, right))
        }
        (Value::Object(ours), Value::Object(right)) => {
            if let Some(pairs) = right.get("map").and_then(Value::as_array) {
                let is_there = |pair: &Value| {
                    let found = ours.iter().find(|(key, _)| is(&Value::String((*key).clone()), &pair[0]));
                    found.is_some_and(|(_, value)| is(value, &pair[1]))
                };
                return ours.len() == pairs.len() && pairs.iter().all(is_there);
            }
            let fields = right.get("struct").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            ours.len() == fields.len()
                && ours.iter().zip(fields).all(|((name, ours), field)| field[0] == **name && is(ours, &field[1]))
        }
        (Value::Bool(ours), Value::String(right)) => ours.to_string() == *right,
        (Value::Number(ours), Value::String(right)) => ours.to_string() == *right || is_close(&ours.to_string(), right),
        (Value::String(ours), Value::String(right)) => {
            ours == right || is_same_time(ours, right) || is_close(ours, right) || is_no_number(ours, right)
        }
        _ => false,
    }
}

/// Numbers of two libraries differ in their last digit. An infinity is near to nothing but itself.
fn is_close(ours: &str, right: &str) -> bool {
    let (Ok(ours), Ok(right)) = (ours.parse::<f64>(), right.parse::<f64>()) else { return false };
    let difference = (ours - right).abs();
    ours == right || difference.is_finite() && difference <= 1e-13 * right.abs().max(ours.abs())
}

/// JSON has no number for these: they are told as texts.
fn is_no_number(ours: &str, right: &str) -> bool {
    matches!((ours, right), ("NaN", "nan") | ("Infinity", "inf") | ("-Infinity", "-inf"))
}

/// `2024-01-01T00:00:00.500Z` is `2024-01-01T00:00:00.5Z`.
fn is_same_time(ours: &str, right: &str) -> bool {
    let plain = |text: &str| {
        let (text, zone) = text.strip_suffix('Z').map_or((text, ""), |text| (text, "Z"));
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        format!("{whole}.{}{zone}", part.trim_end_matches('0'))
    };
    let is_time = |text: &str| text.as_bytes().get(10) == Some(&b'T');
    is_time(ours) && is_time(right) && plain(ours) == plain(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_real_engines_have_our_names() {
        for (theirs, ours) in [
            ("bigint", "long"),
            ("array<map<string,struct<a:int,b:decimal(3,1)>>>", "list<map<string,struct<a:int,b:decimal(3,1)>>>"),
            ("timestamp", "timestamptz"),
            ("timestamp(3)", "timestamp"),
            ("row(\"x\" bigint, y varchar(2))", "struct<x:long,y:string>"),
            ("timestamp(3) with time zone", "timestamptz"),
            ("varchar(3)", "string"),
            ("array(varchar)", "list<string>"),
            ("decimal(5, 2)", "decimal(5,2)"),
        ] {
            assert_eq!(kind(theirs), ours);
        }
    }

    #[test]
    fn values_are_compared_by_what_they_say() {
        for (ours, right, same) in [
            (json!(1), json!("1"), true),
            (json!(1.5), json!("1.50"), true),
            (json!(0.1), json!("0.2"), false),
            (json!("NaN"), json!("nan"), true),
            (json!("-Infinity"), json!("inf"), false),
            (json!(null), json!("nan"), false),
            (json!(null), json!(null), true),
            (json!("a"), json!("a"), true),
            (json!("2024-01-01T00:00:00.500Z"), json!("2024-01-01T00:00:00.5Z"), true),
            (json!("2024-01-01T00:00:00.500Z"), json!("2024-01-01T00:00:00.5"), false),
            (json!({"a": 1}), json!({"map": [["a", "1"]]}), true),
            (json!({"a": 1}), json!({"struct": [["b", "1"]]}), false),
            (json!([1, null]), json!(["1", null]), true),
        ] {
            assert_eq!(is(&ours, &right), same, "{ours} {right}");
        }
    }
}
