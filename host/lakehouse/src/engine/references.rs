//! Which tables a query names.

use std::ops::ControlFlow;

use asgard_contract::{Error, Result, TableName};
use sqlparser::ast::{ObjectName, Query, Spanned, TableFactor, Visit, Visitor};
use sqlparser::tokenizer::Span;

use super::text::{Place, wrong};

/// The name of the lakehouse's catalog in SQL.
const CATALOG: &str = "iceberg";

/// A name in a FROM clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) name: Name,
    pub(super) place: Option<Place>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Name {
    /// A temporary view or an input of the statement.
    Bare(String),
    /// `namespace.table`, with or without the catalog before it.
    Table(TableName),
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bare(name) => f.write_str(name),
            Self::Table(table) => table.fmt(f),
        }
    }
}

/// Each name once, where it stands first. Names of the query's own WITH clauses are none of them.
pub(super) fn of(query: &Query) -> Result<Vec<Reference>> {
    let mut collector = Collector::default();
    match query.visit(&mut collector) {
        ControlFlow::Continue(()) => Ok(collector.found),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Reads the parts of a name, lower-cased.
pub(super) fn name_of(object: &ObjectName) -> Result<Name> {
    let parts: Option<Vec<String>> =
        object.0.iter().map(|part| part.as_ident().map(|name| name.value.to_lowercase())).collect();
    let place = Place::of(object.span().start);
    match parts.as_deref() {
        Some([name]) => Ok(Name::Bare(name.clone())),
        Some([namespace, name]) => Ok(Name::Table(TableName::new(namespace, name))),
        Some([catalog, namespace, name]) if catalog == CATALOG => Ok(Name::Table(TableName::new(namespace, name))),
        Some([catalog, _, _]) => {
            Err(wrong(place, format!("there is no catalog `{catalog}`: the lakehouse is called `{CATALOG}`")))
        }
        _ => Err(wrong(
            place,
            format!("`{object}` is no table name: expected `namespace.table`, such as `silver.work_orders`"),
        )),
    }
}

#[derive(Default)]
struct Collector {
    found: Vec<Reference>,
    /// Names of WITH clauses, innermost last.
    in_scope: Vec<String>,
    /// Where names of table functions stand: they parse as tables.
    functions: Vec<Span>,
}

impl Visitor for Collector {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        let Some(with) = &query.with else { return ControlFlow::Continue(()) };
        for cte in &with.cte_tables {
            // A name is not in scope inside of its own query, unless the clause is recursive. The traversal comes to each
            // of these queries once more, which adds nothing.
            if !with.recursive {
                cte.query.visit(self)?;
            }
            self.in_scope.push(cte.alias.name.value.to_lowercase());
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        if let Some(with) = &query.with {
            self.in_scope.truncate(self.in_scope.len().saturating_sub(with.cte_tables.len()));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Error> {
        match factor {
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => {
                self.functions.push(name.span());
            }
            TableFactor::Table { name, sample: Some(_), .. } => {
                return ControlFlow::Break(wrong(Place::of(name.span().start), "TABLESAMPLE is not supported"));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Error> {
        if self.functions.contains(&relation.span()) {
            return ControlFlow::Continue(());
        }
        let name = match name_of(relation) {
            Ok(name) => name,
            Err(error) => return ControlFlow::Break(error),
        };
        let is_cte = matches!(&name, Name::Bare(bare) if self.in_scope.contains(bare));
        if !is_cte && !self.found.iter().any(|known| known.name == name) {
            self.found.push(Reference { name, place: Place::of(relation.span().start) });
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use sqlparser::ast::Statement;
    use sqlparser::dialect::GenericDialect;
    use sqlparser::parser::Parser;

    use super::*;

    fn names(sql: &str) -> Vec<String> {
        let statements = Parser::parse_sql(&GenericDialect {}, sql).unwrap();
        let Some(Statement::Query(query)) = statements.first() else { panic!("no query") };
        of(query).unwrap().iter().map(|reference| reference.name.to_string()).collect()
    }

    #[test]
    fn tables_are_found_in_every_part_of_a_query_and_names_of_with_are_not() {
        let cases: [(&str, &[&str]); 6] = [
            ("SELECT * FROM iceberg.Silver.A", &["silver.a"]),
            ("WITH a AS (SELECT * FROM silver.b) SELECT * FROM a", &["silver.b"]),
            ("WITH a AS (SELECT * FROM a) SELECT * FROM a", &["a"]),
            (
                "SELECT (SELECT max(x) FROM gold.c) FROM source_data WHERE y IN (SELECT z FROM gold.d)",
                &["source_data", "gold.c", "gold.d"],
            ),
            ("SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a) t JOIN a ON true", &["a"]),
            ("SELECT * FROM range(3), silver.a", &["silver.a"]),
        ];
        for (sql, expected) in cases {
            let mut found = names(sql);
            let mut expected: Vec<String> = expected.iter().map(|name| (*name).to_owned()).collect();
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "{sql}");
        }
    }
}
