//! Trino's average: of decimals it has the decimals' own scale, rounded half up; of everything else it is the engine's.

use std::any::Any;
use std::hash::Hash;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Int64Type, i256};
use datafusion::common::{Result, ScalarValue, exec_err, internal_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, Signature};

use crate::engine::numbers::decimal::quotient;

/// See the module's documentation.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Average {
    engine: Arc<AggregateUDF>,
}

impl Average {
    pub(super) fn new(engine: Arc<AggregateUDF>) -> Self {
        Self { engine }
    }
}

fn is_decimal(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal128(..))
}

impl AggregateUDFImpl for Average {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &'static str {
        "avg"
    }

    fn signature(&self) -> &Signature {
        self.engine.signature()
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.engine.coerce_types(arguments)
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [decimal] if is_decimal(decimal) => Ok(decimal.clone()),
            _ => self.engine.return_type(arguments),
        }
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match (arguments.return_type(), arguments.is_distinct) {
            (DataType::Decimal128(_, _), true) => {
                exec_err!("avg(DISTINCT …) of decimals is not supported: cast to double")
            }
            (DataType::Decimal128(precision, scale), false) => {
                Ok(Box::new(DecimalAverage { precision: *precision, scale: *scale, sum: i256::ZERO, count: 0 }))
            }
            _ => self.engine.accumulator(arguments),
        }
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        if !is_decimal(arguments.return_field.data_type()) {
            return self.engine.state_fields(arguments);
        }
        let DataType::Decimal128(_, scale) = arguments.return_field.data_type() else {
            return internal_err!("a decimal");
        };
        Ok(vec![
            Arc::new(Field::new(format_state_name(arguments.name, "count"), DataType::Int64, true)),
            Arc::new(Field::new(format_state_name(arguments.name, "sum"), DataType::Decimal128(38, *scale), true)),
        ])
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs) -> bool {
        !is_decimal(arguments.return_type()) && self.engine.groups_accumulator_supported(arguments)
    }

    fn create_groups_accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        self.engine.create_groups_accumulator(arguments)
    }

    fn create_sliding_accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if is_decimal(arguments.return_type()) {
            return self.accumulator(arguments);
        }
        self.engine.create_sliding_accumulator(arguments)
    }
}

#[derive(Debug)]
struct DecimalAverage {
    precision: u8,
    scale: i8,
    sum: i256,
    count: i64,
}

impl Accumulator for DecimalAverage {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<Decimal128Type>().iter().flatten() {
            self.sum = self.sum.wrapping_add(i256::from_i128(value));
            self.count += 1;
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<Decimal128Type>().iter().flatten() {
            self.sum = self.sum.wrapping_sub(i256::from_i128(value));
            self.count -= 1;
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for count in states[0].as_primitive::<Int64Type>().iter().flatten() {
            self.count += count;
        }
        for sum in states[1].as_primitive::<Decimal128Type>().iter().flatten() {
            self.sum = self.sum.wrapping_add(i256::from_i128(sum));
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let Some(sum) = self.sum.to_i128() else {
            return exec_err!("a sum is too large for decimal(38,{})", self.scale);
        };
        Ok(vec![ScalarValue::Int64(Some(self.count)), ScalarValue::Decimal128(Some(sum), 38, self.scale)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let average = (self.count > 0)
            .then(|| quotient(self.sum, i256::from_i128(i128::from(self.count))).and_then(i256::to_i128))
            .flatten();
        Ok(ScalarValue::Decimal128(average, self.precision, self.scale))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}
