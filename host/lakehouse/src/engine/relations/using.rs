//! `RIGHT JOIN … USING (x)` and `FULL JOIN … USING (x)`.
//!
//! The planner takes the left side's `x` for what both sides share, which rows of the right side alone do not have. Where a FROM clause
//! has such a join, all of its USING become ON, and the shared columns the values that they have: the right side's, or those of
//! whichever side has one.

use std::ops::ControlFlow;

use asgard_contract::Result;
use sqlparser::ast::{
    BinaryOperator, ExceptSelectItem, Expr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, Spanned, TableFactor, TableWithJoins, VisitMut, VisitorMut,
    WildcardAdditionalOptions,
};

use crate::engine::rewrite::{binary, call, refused};
use crate::engine::text::Place;

const INSTEAD: &str = "write ON a.x = b.x, and coalesce(a.x, b.x)";

/// Gives a SELECT its shared columns.
pub(in crate::engine) fn shared_columns(select: &mut Select) -> Result<()> {
    if !select.from.iter().flat_map(|from| &from.joins).any(keeps_rows_of_the_right) {
        return Ok(());
    }
    let mut relations = Relations::default();
    select.from.iter_mut().try_for_each(|from| relations.read(from))?;
    let items = std::mem::take(&mut select.projection);
    for item in items {
        match item {
            SelectItem::Wildcard(options) if options == WildcardAdditionalOptions::default() => {
                select.projection.extend(relations.all_columns());
            }
            SelectItem::Wildcard(_) => {
                return refused(Place::of(item.span().start), format!("`*` takes no words behind it here: {INSTEAD}"));
            }
            SelectItem::UnnamedExpr(Expr::Identifier(name)) if relations.value(&name).is_some() => {
                let expr = Expr::Identifier(name.clone());
                select.projection.push(SelectItem::ExprWithAlias { expr, alias: name });
            }
            other => select.projection.push(other),
        }
    }
    let _: ControlFlow<()> = select.visit(&mut Values { relations: &relations, depth: 0 });
    Ok(())
}

/// Whether a join shares columns that its left side may lack.
fn keeps_rows_of_the_right(join: &Join) -> bool {
    use JoinOperator::{FullOuter, Right, RightOuter};
    let (Right(constraint) | RightOuter(constraint) | FullOuter(constraint)) = &join.join_operator else {
        return false;
    };
    matches!(constraint, JoinConstraint::Using(_) | JoinConstraint::Natural)
}

/// What a FROM clause has, so far.
#[derive(Default)]
struct Relations {
    /// The names of relations, and which of their columns are shared.
    named: Vec<(Vec<Ident>, Vec<Ident>)>,
    shared: Vec<(Ident, Expr)>,
}

impl Relations {
    fn read(&mut self, from: &mut TableWithJoins) -> Result<()> {
        let first = self.named.len();
        self.named.push((name(&from.relation)?, Vec::new()));
        for join in &mut from.joins {
            let right = name(&join.relation)?;
            let place = Place::of(join.span().start);
            self.named.push((right.clone(), Vec::new()));
            use JoinOperator::{FullOuter, Inner, Join as Plain, Left, LeftOuter, Right, RightOuter};
            let of: fn(Expr, Expr) -> Expr = match &join.join_operator {
                Right(_) | RightOuter(_) => |_, right| right,
                FullOuter(_) => |left, right| {
                    let span = right.span();
                    call("coalesce", span, vec![left, right])
                },
                _ => |left, _| left,
            };
            let (Plain(constraint)
            | Inner(constraint)
            | Left(constraint)
            | LeftOuter(constraint)
            | Right(constraint)
            | RightOuter(constraint)
            | FullOuter(constraint)) = &mut join.join_operator
            else {
                continue;
            };
            let columns = match constraint {
                JoinConstraint::Using(columns) => std::mem::take(columns),
                JoinConstraint::Natural => {
                    return refused(place, format!("NATURAL is not supported beside RIGHT and FULL joins: {INSTEAD}"));
                }
                JoinConstraint::On(_) | JoinConstraint::None => continue,
            };
            let mut condition: Option<Expr> = None;
            for column in columns {
                let Some(column) = column.0.first().and_then(|part| part.as_ident()).cloned() else { continue };
                let left = self.left(&column, first, place)?;
                let right = qualified(&right, &column);
                let equal = binary(left.clone(), BinaryOperator::Eq, right.clone());
                condition = Some(match condition {
                    Some(others) => binary(others, BinaryOperator::And, equal),
                    None => equal,
                });
                self.share(column, of(left, right));
            }
            *constraint = condition.map_or(JoinConstraint::None, JoinConstraint::On);
        }
        Ok(())
    }

    /// A column of what stands before the newest relation.
    fn left(&mut self, column: &Ident, first: usize, place: Option<Place>) -> Result<Expr> {
        if let Some(value) = self.value(column) {
            return Ok(value.clone());
        }
        let before = self.named.len() - 1;
        if before - first > 1 {
            let what = format!("which relation's `{column}` the third has in common is not clear: {INSTEAD}");
            return refused(place, what);
        }
        let (relation, shared) = &mut self.named[first];
        shared.push(column.clone());
        Ok(qualified(relation, column))
    }

    fn share(&mut self, column: Ident, value: Expr) {
        if let Some((_, shared)) = self.named.last_mut() {
            shared.push(column.clone());
        }
        match self.shared.iter_mut().find(|(name, _)| same(name, &column)) {
            Some((_, old)) => *old = value,
            None => self.shared.push((column, value)),
        }
    }

    /// What a shared column is.
    fn value(&self, column: &Ident) -> Option<&Expr> {
        self.shared.iter().find(|(name, _)| same(name, column)).map(|(_, value)| value)
    }

    /// `*`: shared columns once, and first.
    fn all_columns(&self) -> Vec<SelectItem> {
        let shared = self
            .shared
            .iter()
            .map(|(name, _)| SelectItem::ExprWithAlias { expr: Expr::Identifier(name.clone()), alias: name.clone() });
        let others = self.named.iter().map(|(relation, shared)| {
            // The planner looks these names up as they are stored.
            let mut stored = shared.iter().map(|name| Ident::with_quote('"', key(name)));
            let opt_except = stored
                .next()
                .map(|first_element| ExceptSelectItem { first_element, additional_elements: stored.collect() });
            SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(relation.clone())),
                WildcardAdditionalOptions { opt_except, ..WildcardAdditionalOptions::default() },
            )
        });
        shared.chain(others).collect()
    }
}

/// What a relation is called.
fn name(relation: &TableFactor) -> Result<Vec<Ident>> {
    let (alias, table) = match relation {
        TableFactor::Table { alias, name, .. } => (alias, Some(name)),
        TableFactor::Derived { alias, .. }
        | TableFactor::UNNEST { alias, .. }
        | TableFactor::Function { alias, .. }
        | TableFactor::NestedJoin { alias, .. } => (alias, None),
        _ => (&None, None),
    };
    if let Some(alias) = alias {
        return Ok(vec![alias.name.clone()]);
    }
    match table {
        Some(name) => Ok(name.0.iter().filter_map(|part| part.as_ident()).cloned().collect()),
        None => refused(
            Place::of(relation.span().start),
            format!("beside USING of RIGHT and FULL joins each relation has a name: give it one, or {INSTEAD}"),
        ),
    }
}

fn qualified(relation: &[Ident], column: &Ident) -> Expr {
    Expr::CompoundIdentifier(relation.iter().chain([column]).cloned().collect())
}

fn key(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}

fn same(a: &Ident, b: &Ident) -> bool {
    key(a) == key(b)
}

/// Puts the values of shared columns where they stand without a relation. Inner queries have columns of their own.
struct Values<'a> {
    relations: &'a Relations,
    depth: usize,
}

impl VisitorMut for Values<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0
            && let Expr::Identifier(name) = expr
            && let Some(value) = self.relations.value(name)
        {
            *expr = value.clone();
        }
        ControlFlow::Continue(())
    }
}
