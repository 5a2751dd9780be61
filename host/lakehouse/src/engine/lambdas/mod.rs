//! Functions that take a lambda: `transform(list, x -> x + y)`.
//!
//! The planner knows no lambdas. Each call is taken out of the statement's tree and a function made for it alone is put in its
//! place, `$lambda0(list, y)`: the values, then the columns that the body reads besides its parameters. The function plans
//! the body once it knows the types of its arguments, and runs it on the elements of many lists at once.
//!
//! Inner calls are taken before outer ones, so that a parameter of an outer lambda is to an inner one what a column is.

mod function;
mod lists;
mod maps;

use std::ops::ControlFlow;
use std::sync::Arc;

use asgard_contract::{Error, Result};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result as PlanResult, plan_err};
use datafusion::execution::SessionState;
use datafusion::logical_expr::ScalarUDF;
use sqlparser::ast::{
    AccessExpr, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, LambdaFunction, Query, Spanned,
    Value, ValueWithSpan, VisitMut, VisitorMut,
};
use sqlparser::tokenizer::Span;

use super::dialect::SqlDialect;
use super::functions::{self, Kind, Returns};
use super::rewrite::{call, name_of, place, refused, text};

/// Functions of these names, for calls without a lambda, which are refused: with one, the function made for it takes their place.
pub(super) fn without(
    names: &'static [&'static str],
) -> impl Iterator<Item = (&'static [&'static str], Arc<ScalarUDF>)> {
    names.iter().map(|name| {
        let function = functions::Function::new(name, &[Kind::List], Returns::By(missing), |_, _| missing(&[]));
        (std::slice::from_ref(name), function.rest(Kind::Any).build())
    })
}

fn missing<T>(_arguments: &[DataType]) -> PlanResult<T> {
    plan_err!("the function takes a lambda (`x -> …`) behind its values")
}

/// What a call does with its lambda.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Transform,
    Filter,
    Any,
    All,
    None,
    Reduce,
    Zip,
    Sort,
    MapFilter,
    MapKeys,
    MapValues,
    MapZip,
}

impl Shape {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "transform" => Self::Transform,
            "filter" => Self::Filter,
            "exists" | "any_match" => Self::Any,
            "forall" | "all_match" => Self::All,
            "none_match" => Self::None,
            "aggregate" | "reduce" => Self::Reduce,
            "zip_with" => Self::Zip,
            "array_sort" => Self::Sort,
            "map_filter" => Self::MapFilter,
            "transform_keys" => Self::MapKeys,
            "transform_values" => Self::MapValues,
            "map_zip_with" => Self::MapZip,
            _ => return None,
        })
    }

    /// How many values come before the lambdas.
    fn values(self) -> usize {
        match self {
            Self::Reduce | Self::Zip | Self::MapZip => 2,
            _ => 1,
        }
    }
}

#[derive(Debug)]
struct Lambda {
    parameters: usize,
    body: Expr,
}

/// A call that was taken out.
#[derive(Debug)]
struct Taken {
    name: String,
    shape: Shape,
    lambdas: Vec<Lambda>,
    captures: usize,
}

/// The lambdas of one query.
#[derive(Debug)]
pub(super) struct Lambdas {
    calls: Vec<Arc<Taken>>,
    dialect: &'static dyn SqlDialect,
    /// Bodies are planned with it; none: there are no lambdas.
    session: Option<Arc<SessionState>>,
}

impl Lambdas {
    /// Takes the lambdas out of a query that is rewritten already.
    ///
    /// # Errors
    /// For a lambda where none is taken.
    pub(super) fn take(
        session: &SessionState,
        dialect: &'static dyn SqlDialect,
        query: &mut Query,
    ) -> Result<Arc<Self>> {
        let mut taker = Taker { calls: Vec::new(), dialect };
        if let ControlFlow::Break(error) = query.visit(&mut taker) {
            return Err(error);
        }
        let session = (!taker.calls.is_empty()).then(|| Arc::new(session.clone()));
        Ok(Arc::new(Self { calls: taker.calls, dialect, session }))
    }

    /// The function made for a call.
    pub(super) fn function(self: &Arc<Self>, name: &str) -> Option<Arc<ScalarUDF>> {
        let index: usize = name.strip_prefix("$lambda")?.parse().ok()?;
        let (call, session) = (self.calls.get(index)?, self.session.as_ref()?);
        Some(function::made(name, call, session, self))
    }
}

struct Taker {
    calls: Vec<Arc<Taken>>,
    dialect: &'static dyn SqlDialect,
}

impl VisitorMut for Taker {
    type Break = Error;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        match self.taken(function) {
            Ok(Some(call)) => *expr = call,
            Ok(None) => {}
            Err(error) => return ControlFlow::Break(error),
        }
        ControlFlow::Continue(())
    }
}

impl Taker {
    fn taken(&mut self, function: &Function) -> Result<Option<Expr>> {
        let FunctionArguments::List(list) = &function.args else { return Ok(None) };
        let (mut values, mut lambdas) = (Vec::new(), Vec::new());
        for argument in &list.args {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Lambda(lambda))) => lambdas.push(lambda),
                FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) if lambdas.is_empty() => values.push(value.clone()),
                _ => {}
            }
        }
        if lambdas.is_empty() {
            return Ok(None);
        }
        let name = name_of(function);
        let at = place(&Expr::Function(function.clone()));
        let known = self.dialect.functions().contains(&name);
        let Some(shape) = Shape::of(&name).filter(|_| known) else {
            return refused(at, format!("`{name}` takes no lambda (`x -> …`)"));
        };
        let most = if shape == Shape::Reduce { 2 } else { 1 };
        if values.len() != shape.values()
            || lambdas.len() > most
            || values.len() + lambdas.len() != list.args.len()
            || function.over.is_some()
            || function.filter.is_some()
        {
            let plural = if shape.values() == 1 { "one value" } else { "two values" };
            return refused(at, format!("`{name}` takes {plural}, then its lambda"));
        }
        let mut captures: Vec<Vec<Ident>> = Vec::new();
        let mut bodies = Vec::new();
        for lambda in lambdas {
            bodies.push(self.body(&name, shape, bodies.len(), lambda, &mut captures)?);
        }
        let span = function.name.span();
        values.extend(captures.iter().map(|names| match names.as_slice() {
            [name] => Expr::Identifier(name.clone()),
            names => Expr::CompoundIdentifier(names.to_vec()),
        }));
        let taken = Taken { name, shape, lambdas: bodies, captures: captures.len() };
        self.calls.push(Arc::new(taken));
        Ok(Some(call(&format!("$lambda{}", self.calls.len() - 1), span, values)))
    }

    fn body(
        &self,
        name: &str,
        shape: Shape,
        index: usize,
        lambda: &LambdaFunction,
        captures: &mut Vec<Vec<Ident>>,
    ) -> Result<Lambda> {
        let parameters: Vec<String> =
            lambda.params.clone().into_iter().map(|parameter| parameter.value.to_lowercase()).collect();
        let counts_elements = self.dialect.counts_elements() && matches!(shape, Shape::Transform | Shape::Filter);
        let takes = match shape {
            Shape::Reduce if index == 1 => 1,
            Shape::Transform | Shape::Filter | Shape::Any | Shape::All | Shape::None => 1,
            Shape::MapZip => 3,
            _ => 2,
        };
        if parameters.len() != takes && !(counts_elements && parameters.len() == 2) {
            return refused(
                place(&lambda.body),
                format!("this lambda of `{name}` takes {takes} parameters, not {}", parameters.len()),
            );
        }
        let mut body = match &*lambda.body {
            Expr::Tuple(parts) if self.dialect.functions().scalars.contains_key("named_struct") => struct_of(parts),
            Expr::Tuple(_) => {
                return refused(place(&lambda.body), "a row is not written as `(a, b)` here: name its fields");
            }
            body => body.clone(),
        };
        let mut names = Names { parameters: &parameters, captures };
        if let ControlFlow::Break(error) = body.visit(&mut names) {
            return Err(error);
        }
        Ok(Lambda { parameters: parameters.len(), body })
    }
}

/// Spark's `(a, b + 1)`: a struct, whose fields are called as the columns in it, or by their place.
fn struct_of(parts: &[Expr]) -> Expr {
    let fields = parts.iter().enumerate().flat_map(|(index, part)| {
        let name = match part {
            Expr::Identifier(name) => name.value.clone(),
            Expr::CompoundIdentifier(names) => names.last().map(|name| name.value.clone()).unwrap_or_default(),
            _ => format!("col{}", index + 1),
        };
        [text(name), part.clone()]
    });
    call("named_struct", Span::empty(), fields.collect())
}

/// The name of a parameter in a body.
fn parameter(index: usize) -> String {
    format!("$p{index}")
}

/// The name of what a body reads besides.
fn capture(index: usize) -> String {
    format!("$c{index}")
}

/// Gives what a body reads names that cannot be mistaken.
struct Names<'a> {
    parameters: &'a [String],
    captures: &'a mut Vec<Vec<Ident>>,
}

impl Names<'_> {
    fn named(&mut self, names: &[Ident]) -> Option<Vec<Ident>> {
        let first = names.first()?;
        let quoted = |value: String| Ident { value, quote_style: Some('"'), span: first.span };
        if let Some(index) = self.parameters.iter().position(|parameter| *parameter == first.value.to_lowercase()) {
            let mut named = vec![quoted(parameter(index))];
            named.extend(names.iter().skip(1).cloned());
            return Some(named);
        }
        let same = |known: &Vec<Ident>| {
            known.len() == names.len() && known.iter().zip(names).all(|(known, name)| known.value == name.value)
        };
        let index = self.captures.iter().position(same).unwrap_or_else(|| {
            self.captures.push(names.to_vec());
            self.captures.len() - 1
        });
        Some(vec![quoted(capture(index))])
    }
}

impl VisitorMut for Names<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Error> {
        match refused(None, "a lambda has no queries inside: join what it reads before") {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        // The names of fields are no names of columns: they are hidden until the walk is past them.
        if let Expr::CompoundFieldAccess { access_chain, .. } = expr {
            for access in access_chain {
                if let AccessExpr::Dot(field) = access
                    && let Expr::Identifier(name) = field
                {
                    let value = Value::DollarQuotedString(sqlparser::ast::DollarQuotedString {
                        value: name.value.clone(),
                        tag: Some("field".to_owned()),
                    });
                    *field = Expr::Value(ValueWithSpan { value, span: name.span });
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        match expr {
            Expr::Identifier(name) => {
                if let Some([named]) = self.named(std::slice::from_ref(name)).as_deref() {
                    *name = named.clone();
                }
            }
            Expr::CompoundIdentifier(names) => {
                if let Some(named) = self.named(names) {
                    *expr = match named.as_slice() {
                        [name] => Expr::Identifier(name.clone()),
                        _ => Expr::CompoundIdentifier(named),
                    };
                }
            }
            Expr::CompoundFieldAccess { access_chain, .. } => access_chain.iter_mut().for_each(shown),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Undoes the hiding of a field's name.
fn shown(access: &mut AccessExpr) {
    if let AccessExpr::Dot(field) = access
        && let Expr::Value(ValueWithSpan { value: Value::DollarQuotedString(hidden), .. }) = field
    {
        *field = Expr::Identifier(Ident { value: hidden.value.clone(), quote_style: None, span: Span::empty() });
    }
}
