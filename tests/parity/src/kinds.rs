//! Types of real engines by the names that the lakehouse has for them.
//!
//! Iceberg has neither integers below 32 bits nor lengths of texts, and its times have six digits: the embedded engine brings every
//! result to such types, so their names cannot be told apart here.

/// The name that the lakehouse has for a type of a real engine.
pub(crate) fn kind(theirs: &str) -> String {
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
        "time" => "time".to_owned(),
        "decimal" => theirs.replace(' ', ""),
        // Of intervals Python has no months: they come as texts, on both sides.
        _ => theirs.to_owned(),
    }
}

/// What is in the brackets after a name.
pub(crate) fn inside<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let rest = text.strip_prefix(name)?;
    let angled = rest.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    angled.or_else(|| rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')))
}

/// At the commas that are in no brackets.
pub(crate) fn split(text: &str) -> Vec<&str> {
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
            ("time(0)", "time"),
            ("varchar(3)", "string"),
            ("array(varchar)", "list<string>"),
            ("decimal(5, 2)", "decimal(5,2)"),
        ] {
            assert_eq!(kind(theirs), ours);
        }
    }
}
