//! The function made for one call with a lambda.

use std::any::Any;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, new_empty_array};
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::execution::SessionState;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    ColumnarValue, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;
use sqlparser::ast::{Expr, visit_expressions};

use super::{Lambda, Lambdas, Shape, Taken, capture, lists, maps, parameter};
use crate::engine::functions::{Kind, over_rows, type_word};
use crate::engine::planner;
use crate::engine::rewrite::{is_of_chance, name_of};

pub(super) fn made(name: &str, call: &Arc<Taken>, session: &Arc<SessionState>, all: &Arc<Lambdas>) -> Arc<ScalarUDF> {
    let changes = call.lambdas.iter().any(|lambda| {
        visit_expressions(&lambda.body, |expr| match expr {
            Expr::Function(function) if is_of_chance(function) || name_of(function).starts_with("$lambda") => {
                std::ops::ControlFlow::Break(())
            }
            _ => std::ops::ControlFlow::Continue(()),
        })
        .is_break()
    });
    let volatility = if changes { Volatility::Volatile } else { Volatility::Immutable };
    Arc::new(ScalarUDF::new_from_impl(Made {
        name: name.to_owned(),
        call: Arc::clone(call),
        session: Arc::clone(session),
        all: Arc::clone(all),
        signature: Signature::user_defined(volatility),
        last: Mutex::new(None),
    }))
}

struct Made {
    name: String,
    call: Arc<Taken>,
    session: Arc<SessionState>,
    all: Arc<Lambdas>,
    signature: Signature,
    /// What was planned last: every batch has arguments of the same types.
    last: Mutex<Option<Arc<Planned>>>,
}

impl std::fmt::Debug for Made {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Made").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartialEq for Made {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.call, &other.call)
    }
}

impl Eq for Made {}

impl Hash for Made {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// A body with its types.
pub(super) struct Body {
    physical: Arc<dyn PhysicalExpr>,
    schema: SchemaRef,
    pub(super) data_type: DataType,
}

/// The bodies of a call for arguments of some types.
struct Planned {
    arguments: Vec<DataType>,
    bodies: Vec<Body>,
    result: DataType,
}

/// A body, and what each row of the call has for it besides its parameters.
pub(super) struct Ready<'a> {
    pub(super) body: &'a Body,
    pub(super) captures: &'a [ArrayRef],
}

impl Ready<'_> {
    /// The body's values for these parameters; `rows` says of which row of the call each of them is.
    pub(super) fn values(&self, mut parameters: Vec<ArrayRef>, rows: &UInt32Array) -> Result<ArrayRef> {
        if rows.is_empty() {
            return Ok(new_empty_array(&self.body.data_type));
        }
        for captured in self.captures {
            parameters.push(take(captured, rows, None)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.body.schema), parameters, &options)?;
        let values = self.body.physical.evaluate(&batch)?.into_array(rows.len())?;
        if *values.data_type() == self.body.data_type { Ok(values) } else { Ok(cast(&values, &self.body.data_type)?) }
    }

    /// Likewise, of a condition.
    pub(super) fn truths(
        &self,
        parameters: Vec<ArrayRef>,
        rows: &UInt32Array,
    ) -> Result<datafusion::arrow::array::BooleanArray> {
        let values = cast(&self.values(parameters, rows)?, &DataType::Boolean)?;
        Ok(datafusion::arrow::array::AsArray::as_boolean(&values).clone())
    }
}

impl Made {
    /// Plans a body for parameters of these types.
    fn body(&self, lambda: &Lambda, parameters: &[DataType], captures: &[DataType]) -> Result<Body> {
        let mut fields: Vec<Field> = Vec::new();
        for (index, data_type) in parameters.iter().take(lambda.parameters).enumerate() {
            fields.push(Field::new(parameter(index), data_type.clone(), true));
        }
        for (index, data_type) in captures.iter().enumerate() {
            fields.push(Field::new(capture(index), data_type.clone(), true));
        }
        let schema = Arc::new(Schema::new(fields));
        let named = DFSchema::try_from(Arc::clone(&schema))?;
        let expr = planner::body(&self.session, self.all.dialect, &self.all, lambda.body.clone(), &named)?;
        let context = SimplifyContext::default()
            .with_schema(Arc::new(named.clone()))
            .with_config_options(Arc::clone(self.session.config_options()))
            .with_query_execution_start_time(self.session.execution_props().query_execution_start_time);
        let simplifier = ExprSimplifier::new(context);
        let expr = simplifier.simplify(simplifier.coerce(expr, &named)?)?;
        let data_type = expr.get_type(&named)?;
        let physical = self.session.create_physical_expr(expr, &named)?;
        Ok(Body { physical, schema, data_type })
    }

    /// Planned once for the types that arguments have; while a statement is planned they may still become narrower.
    fn planned(&self, arguments: &[DataType]) -> Result<Arc<Planned>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(planned) = last.as_ref()
            && planned.arguments == arguments
        {
            return Ok(Arc::clone(planned));
        }
        let (bodies, result) = self.plan(arguments)?;
        let planned = Arc::new(Planned { arguments: arguments.to_vec(), bodies, result });
        *last = Some(Arc::clone(&planned));
        Ok(planned)
    }

    /// The bodies for arguments of these types, and the result's type.
    fn plan(&self, arguments: &[DataType]) -> Result<(Vec<Body>, DataType)> {
        let (values, captures) = arguments.split_at(arguments.len().saturating_sub(self.call.captures));
        let (Some(first), [lambda, rest @ ..]) = (values.first(), self.call.lambdas.as_slice()) else {
            return plan_err!("`{}` takes a lambda", self.call.name);
        };
        let second = values.get(1);
        let body = |parameters: &[DataType]| self.body(lambda, parameters, captures);
        let list = |of: &DataType| DataType::new_list(of.clone(), true);
        match self.call.shape {
            Shape::Transform => {
                let body = body(&[self.item(first)?, DataType::Int32])?;
                let result = list(&body.data_type);
                Ok((vec![body], result))
            }
            Shape::Filter => {
                let body = self.condition(body(&[self.item(first)?, DataType::Int32])?)?;
                Ok((vec![body], first.clone()))
            }
            Shape::Any | Shape::All | Shape::None => {
                Ok((vec![self.condition(body(&[self.item(first)?])?)?], DataType::Boolean))
            }
            Shape::Reduce => {
                let (item, state) = (self.item(first)?, self.second(second)?);
                let merge = body(&[state.clone(), item])?;
                let both_whole = merge.data_type.is_integer() && state.is_integer();
                // While whole numbers are still as wide as the planner made them, the merge may seem narrower.
                if merge.data_type != *state && !both_whole && !merge.data_type.is_null() {
                    return plan_err!(
                        "`{}` starts with {} and its lambda gives {}: cast the start",
                        self.call.name,
                        type_word(state),
                        type_word(&merge.data_type)
                    );
                }
                match rest.first() {
                    None => Ok((vec![merge], state.clone())),
                    Some(finish) => {
                        let finish = self.body(finish, std::slice::from_ref(state), captures)?;
                        let result = finish.data_type.clone();
                        Ok((vec![merge, finish], result))
                    }
                }
            }
            Shape::Zip => {
                let body = body(&[self.item(first)?, self.item(self.second(second)?)?])?;
                let result = list(&body.data_type);
                Ok((vec![body], result))
            }
            Shape::Sort => {
                let item = self.item(first)?;
                let body = body(&[item.clone(), item])?;
                if !body.data_type.is_integer() {
                    return plan_err!(
                        "the lambda of `array_sort` gives -1, 0 or 1, not {}",
                        type_word(&body.data_type)
                    );
                }
                Ok((vec![body], first.clone()))
            }
            Shape::MapFilter => {
                let (key, value) = maps::parts(first)?;
                Ok((vec![self.condition(body(&[key, value])?)?], first.clone()))
            }
            Shape::MapKeys => {
                let (key, value) = maps::parts(first)?;
                let body = body(&[key, value.clone()])?;
                let result = maps::map_of(&body.data_type, &value);
                Ok((vec![body], result))
            }
            Shape::MapValues => {
                let (key, value) = maps::parts(first)?;
                let body = body(&[key.clone(), value])?;
                let result = maps::map_of(&key, &body.data_type);
                Ok((vec![body], result))
            }
            Shape::MapZip => {
                let (key, value) = maps::parts(first)?;
                let (other_key, other) = maps::parts(self.second(second)?)?;
                if key != other_key {
                    return plan_err!("`map_zip_with` takes maps with keys of one type");
                }
                let body = body(&[key.clone(), value, other])?;
                let result = maps::map_of(&key, &body.data_type);
                Ok((vec![body], result))
            }
        }
    }

    fn item(&self, list: &DataType) -> Result<DataType> {
        match list {
            DataType::List(item) => Ok(item.data_type().clone()),
            other => plan_err!("`{}` takes a list, not {}", self.call.name, type_word(other)),
        }
    }

    fn second<'a>(&self, second: Option<&'a DataType>) -> Result<&'a DataType> {
        second.map_or_else(|| plan_err!("`{}` takes two values", self.call.name), Ok)
    }

    fn condition(&self, body: Body) -> Result<Body> {
        if matches!(body.data_type, DataType::Boolean | DataType::Null) {
            return Ok(body);
        }
        plan_err!("the lambda of `{}` is true or false, not {}", self.call.name, type_word(&body.data_type))
    }
}

impl ScalarUDFImpl for Made {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let values = given.len().saturating_sub(self.call.captures);
        Ok(given
            .iter()
            .enumerate()
            .map(|(index, given)| match Kind::List.arrives(given) {
                Some(list) if index < values => list,
                _ => given.clone(),
            })
            .collect())
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(self.planned(&self.coerce_types(arguments)?)?.result.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        over_rows(&args, |arrays| {
            let types: Vec<DataType> = arrays.iter().map(|array| array.data_type().clone()).collect();
            let planned = self.planned(&types)?;
            let (values, captures) = arrays.split_at(arrays.len().saturating_sub(self.call.captures));
            let ready: Vec<Ready> = planned.bodies.iter().map(|body| Ready { body, captures }).collect();
            let Some(first) = ready.first() else { return plan_err!("`{}` takes a lambda", self.call.name) };
            let result = match self.call.shape {
                Shape::Transform => lists::transformed(values, first, self.call.lambdas[0].parameters)?,
                Shape::Filter => lists::filtered(values, first, self.call.lambdas[0].parameters)?,
                Shape::Any => lists::matched(values, first, true, true)?,
                Shape::All => lists::matched(values, first, false, false)?,
                Shape::None => lists::matched(values, first, true, false)?,
                Shape::Reduce => lists::reduced(values, first, ready.get(1))?,
                Shape::Zip => lists::zipped(values, first)?,
                Shape::Sort => lists::sorted(values, first)?,
                Shape::MapFilter => maps::filtered(values, first)?,
                Shape::MapKeys => maps::with_keys(values, first)?,
                Shape::MapValues => maps::with_values(values, first)?,
                Shape::MapZip => maps::zipped(values, first)?,
            };
            let wanted = args.return_field.data_type();
            Ok(if planned.result == *wanted { result } else { cast(&result, wanted)? })
        })
    }
}
