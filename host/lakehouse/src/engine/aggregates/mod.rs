//! Aggregates that the engine underneath lacks, or means differently.
//!
//! There are two ways to one. Some look at all values of a group at its end ([`Way::Gather`]): exact percentiles, the most frequent
//! value. They hold the group's values in memory, which the statement's limit counts. The others keep a state of their own size
//! ([`Way::Fold`]): moments, bitmaps, sketches; a state is bytes where it passes from one thread to another.
//!
//! Arguments that the statement writes out (`percentile(x, 0.5)`) are not gathered with the values.

pub(super) mod bitmaps;
pub(super) mod count_min;
pub(super) mod frequent;
pub(super) mod histogram;
pub(super) mod kll;
pub(super) mod lists;
pub(super) mod maps;
pub(super) mod moments;
pub(super) mod percentiles;
pub(super) mod sketches;

use std::any::Any;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryArray, ListArray, UInt32Array, new_empty_array};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::{cast, concat, filter, is_not_null, take};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};
use datafusion::physical_expr::expressions::Literal;

/// What an aggregate of one statement is told.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// By argument; none: it is no constant.
    constants: Vec<Option<ScalarValue>>,
    /// The first argument's type.
    value: DataType,
    /// The result's.
    to: DataType,
}

impl Call {
    /// A constant argument; none: it is not given. Null counts as not given.
    ///
    /// # Errors
    /// If it is given, and is not written out.
    pub(super) fn constant(&self, index: usize, what: &str) -> Result<Option<&ScalarValue>> {
        match self.constants.get(index) {
            None => Ok(None),
            Some(Some(value)) => Ok(Some(value).filter(|value| !value.is_null())),
            Some(None) => exec_err!("{what} has to be written out: it is the same for all rows"),
        }
    }

    /// Likewise, a whole number.
    pub(super) fn whole(&self, index: usize, what: &str) -> Result<Option<i64>> {
        let Some(value) = self.constant(index, what)? else { return Ok(None) };
        match value.cast_to(&DataType::Int64)? {
            ScalarValue::Int64(number) => Ok(number),
            _ => exec_err!("{what} has to be a whole number"),
        }
    }
}

/// All values of a group: the columns of its arguments, those that are constants left empty.
pub(super) type Finish = fn(&[ArrayRef], &Call) -> Result<ScalarValue>;

/// A state of one group.
pub(super) trait Fold: Debug + Send + Sync {
    /// Takes values in, nulls among them.
    fn update(&mut self, values: &[ArrayRef]) -> Result<()>;
    /// Takes another state in.
    fn merge(&mut self, state: &[u8]) -> Result<()>;
    fn state(&self) -> Result<Vec<u8>>;
    fn value(&self) -> Result<ScalarValue>;
    /// Bytes that it holds.
    fn size(&self) -> usize;
}

/// How the values of a group become one.
#[derive(Clone, Copy)]
pub(super) enum Way {
    Gather(Finish),
    Fold(fn(&Call) -> Result<Box<dyn Fold>>),
}

/// The types that arguments arrive in, and the result's.
pub(super) type Types = fn(&[DataType]) -> Result<(Vec<DataType>, DataType)>;

/// See the module's documentation.
pub(super) struct Aggregate {
    name: &'static str,
    /// How many arguments there are at least and at most.
    least: usize,
    most: usize,
    types: Types,
    way: Way,
    signature: Signature,
}

impl Aggregate {
    pub(super) fn new(name: &'static str, least: usize, most: usize, types: Types, way: Way) -> Self {
        Self { name, least, most, types, way, signature: Signature::user_defined(Volatility::Immutable) }
    }

    pub(super) fn build(self) -> Arc<AggregateUDF> {
        Arc::new(AggregateUDF::new_from_impl(self))
    }
}

impl Debug for Aggregate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aggregate").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartialEq for Aggregate {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.types as usize == other.types as usize
    }
}

impl Eq for Aggregate {}

impl Hash for Aggregate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl AggregateUDFImpl for Aggregate {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        if given.len() < self.least || given.len() > self.most {
            return match (self.least, self.most) {
                (least, most) if least == most => {
                    plan_err!("`{}` takes {least} arguments, not {}", self.name, given.len())
                }
                (least, most) => plan_err!("`{}` takes {least} to {most} arguments, not {}", self.name, given.len()),
            };
        }
        (self.types)(given).map(|(arguments, _)| arguments)
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        (self.types)(arguments).map(|(_, result)| result)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let part = |index: usize| format!("{}[{}{index}]", args.name, self.name);
        Ok(match self.way {
            Way::Fold(_) => vec![Arc::new(Field::new(part(0), DataType::Binary, true))],
            Way::Gather(_) => args
                .input_fields
                .iter()
                .enumerate()
                .map(|(index, field)| {
                    Arc::new(Field::new(part(index), DataType::new_list(field.data_type().clone(), true), true))
                })
                .collect(),
        })
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let constants: Vec<Option<ScalarValue>> = args
            .exprs
            .iter()
            .map(|expr| expr.as_any().downcast_ref::<Literal>().map(|literal| literal.value().clone()))
            .collect();
        let types: Vec<DataType> = args.expr_fields.iter().map(|field| field.data_type().clone()).collect();
        let call = Call {
            constants,
            value: types.first().cloned().unwrap_or(DataType::Null),
            to: args.return_field.data_type().clone(),
        };
        match self.way {
            Way::Fold(_) if args.is_distinct => exec_err!("`{}` of DISTINCT values is not supported", self.name),
            Way::Fold(start) => Ok(Box::new(Folded { fold: start(&call)? })),
            Way::Gather(finish) => {
                let distinct = args.is_distinct;
                Ok(Box::new(Gathered { columns: vec![Vec::new(); types.len()], types, call, finish, distinct }))
            }
        }
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

#[derive(Debug)]
struct Folded {
    fold: Box<dyn Fold>,
}

impl Accumulator for Folded {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.fold.update(values)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let states: &BinaryArray = states[0].as_binary();
        states.iter().flatten().try_for_each(|state| self.fold.merge(state))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Binary(Some(self.fold.state()?))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.fold.value()
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.fold.size()
    }
}

struct Gathered {
    /// By argument, in parts as they came.
    columns: Vec<Vec<ArrayRef>>,
    types: Vec<DataType>,
    call: Call,
    finish: Finish,
    distinct: bool,
}

impl Debug for Gathered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gathered").field("types", &self.types).finish_non_exhaustive()
    }
}

impl Gathered {
    fn is_constant(&self, index: usize) -> bool {
        index > 0 && self.call.constants[index].is_some()
    }

    fn column(&self, index: usize) -> Result<ArrayRef> {
        let parts: Vec<&dyn Array> = self.columns[index].iter().map(AsRef::as_ref).collect();
        if parts.is_empty() {
            return Ok(new_empty_array(&self.types[index]));
        }
        Ok(concat(&parts)?)
    }

    fn gathered(&self) -> Result<Vec<ArrayRef>> {
        (0..self.columns.len()).map(|index| self.column(index)).collect()
    }

    fn push(&mut self, index: usize, values: ArrayRef) -> Result<()> {
        /// Many small parts are joined, so that a group of many batches does not hold one part of each.
        const PARTS: usize = 128;
        self.columns[index].push(values);
        if self.columns[index].len() > PARTS {
            let joined = self.column(index)?;
            self.columns[index] = vec![joined];
        }
        Ok(())
    }
}

impl Accumulator for Gathered {
    /// Rows without a first value do not count.
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let known = is_not_null(&values[0])?;
        let all = values[0].logical_null_count() == 0 && !values[0].data_type().is_null();
        for (index, values) in values.iter().enumerate() {
            if self.is_constant(index) {
                continue;
            }
            let kept = if all { Arc::clone(values) } else { filter(values, &known)? };
            if !kept.is_empty() && !kept.data_type().is_null() {
                self.push(index, kept)?;
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for (index, states) in states.iter().enumerate() {
            let lists: &ListArray = states.as_list();
            for list in lists.iter().flatten() {
                if !list.is_empty() {
                    self.push(index, list)?;
                }
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let lists = self.gathered()?.into_iter().map(|values| {
            let item = Arc::new(Field::new_list_field(values.data_type().clone(), true));
            let offsets = OffsetBuffer::from_lengths([values.len()]);
            Ok(ScalarValue::List(Arc::new(ListArray::try_new(item, offsets, values, None)?)))
        });
        lists.collect()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut columns = self.gathered()?;
        if self.distinct {
            columns = distinct(&columns)?;
        }
        (self.finish)(&columns, &self.call)
    }

    fn size(&self) -> usize {
        let held: usize = self.columns.iter().flatten().map(|part| part.get_array_memory_size()).sum();
        size_of_val(self) + held
    }
}

/// The first of each of the values that are the same.
pub(super) fn distinct(columns: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
    let Some(first) = columns.first() else { return Ok(Vec::new()) };
    let converter = RowConverter::new(vec![SortField::new(first.data_type().clone())])?;
    let rows = converter.convert_columns(std::slice::from_ref(first))?;
    let mut seen = std::collections::HashSet::new();
    let kept: UInt32Array =
        (0..first.len()).filter(|row| seen.insert(rows.row(*row).owned())).map(|row| u32::try_from(row).ok()).collect();
    columns
        .iter()
        .map(|column| if column.len() == first.len() { Ok(take(column, &kept, None)?) } else { Ok(Arc::clone(column)) })
        .collect()
}

/// As doubles.
fn doubles(values: &ArrayRef) -> Result<ArrayRef> {
    Ok(cast(values, &DataType::Float64)?)
}
