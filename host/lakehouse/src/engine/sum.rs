//! Sums of whole numbers that say when they are too large, as Spark (in its ANSI mode) and Trino do; the engine's own start again
//! from below.
//!
//! They are summed up as decimals of 38 digits, which no table has rows enough to overflow, and are whole numbers again at the end: so
//! the sum is right whatever the order, also when it was too large on the way.

use std::any::Any;
use std::hash::Hash;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_err, internal_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF, Signature,
};

const WIDE: DataType = DataType::Decimal128(38, 0);

/// See the module's documentation.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Sum {
    engine: Arc<AggregateUDF>,
    /// What is said of one that is too large, in the dialect's words.
    too_large: &'static str,
}

impl Sum {
    pub(super) fn new(engine: Arc<AggregateUDF>, too_large: &'static str) -> Self {
        Self { engine, too_large }
    }
}

fn is_whole(data_type: &DataType) -> bool {
    *data_type == DataType::Int64
}

/// The arguments as they are for decimals.
fn widened(arguments: AccumulatorArgs<'_>) -> AccumulatorArgs<'_> {
    AccumulatorArgs { return_field: Arc::new(Field::new(arguments.name, WIDE, true)), ..arguments }
}

impl AggregateUDFImpl for Sum {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &'static str {
        "sum"
    }

    fn signature(&self) -> &Signature {
        self.engine.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.engine.return_type(arguments)
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if !is_whole(arguments.return_type()) {
            return self.engine.accumulator(arguments);
        }
        let wide = self.engine.accumulator(widened(arguments))?;
        Ok(Box::new(One { wide, too_large: self.too_large }))
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        if !is_whole(arguments.return_field.data_type()) {
            return self.engine.state_fields(arguments);
        }
        let return_field = Arc::new(Field::new(arguments.name, WIDE, true));
        self.engine.state_fields(StateFieldsArgs { return_field, ..arguments })
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs) -> bool {
        self.engine.groups_accumulator_supported(arguments)
    }

    fn create_groups_accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        if !is_whole(arguments.return_type()) {
            return self.engine.create_groups_accumulator(arguments);
        }
        let wide = self.engine.create_groups_accumulator(widened(arguments))?;
        Ok(Box::new(Groups { wide, too_large: self.too_large }))
    }

    fn create_sliding_accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        // Neither dialect has DISTINCT in a window, and the engine's knows no decimals there.
        if !is_whole(arguments.return_type()) || arguments.is_distinct {
            return self.engine.create_sliding_accumulator(arguments);
        }
        let wide = self.engine.create_sliding_accumulator(widened(arguments))?;
        Ok(Box::new(One { wide, too_large: self.too_large }))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }
}

fn wide(values: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
    values.iter().map(|values| Ok(cast(values, &WIDE)?)).collect()
}

#[derive(Debug)]
struct One {
    wide: Box<dyn Accumulator>,
    too_large: &'static str,
}

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.wide.update_batch(&wide(values)?)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.wide.retract_batch(&wide(values)?)
    }

    fn supports_retract_batch(&self) -> bool {
        self.wide.supports_retract_batch()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.wide.merge_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.wide.state()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let ScalarValue::Decimal128(sum, ..) = self.wide.evaluate()? else { return internal_err!("a decimal") };
        match sum.map(i64::try_from).transpose() {
            Ok(sum) => Ok(ScalarValue::Int64(sum)),
            Err(_) => exec_err!("{}", self.too_large),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.wide.size()
    }
}

struct Groups {
    wide: Box<dyn GroupsAccumulator>,
    too_large: &'static str,
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        groups: usize,
    ) -> Result<()> {
        self.wide.update_batch(&wide(values)?, group_indices, filter, groups)
    }

    fn merge_batch(
        &mut self,
        states: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        groups: usize,
    ) -> Result<()> {
        self.wide.merge_batch(states, group_indices, filter, groups)
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let sums = self.wide.evaluate(emit)?;
        let sums = sums.as_primitive::<Decimal128Type>();
        let whole: std::result::Result<Int64Array, _> =
            sums.iter().map(|sum| sum.map(i64::try_from).transpose()).collect();
        match whole {
            Ok(whole) => Ok(Arc::new(whole)),
            Err(_) => exec_err!("{}", self.too_large),
        }
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        self.wide.state(emit)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.wide.convert_to_state(&wide(values)?, filter)
    }

    fn supports_convert_to_state(&self) -> bool {
        self.wide.supports_convert_to_state()
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.wide.size()
    }
}
