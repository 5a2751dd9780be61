//! Aggregates of a column's distribution: `skewness` and `kurtosis`; and sums and averages of REAL, which are REAL.

use std::any::Any;
use std::hash::Hash;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, Signature, Volatility,
};

use crate::engine::aggregates::{Aggregate, Call, Fold, Way, moments};
use crate::engine::dialect::Functions;

/// Registers the aggregates; sums and averages must be there already.
pub(super) fn register(all: &mut Functions) {
    for (name, start) in [
        ("skewness", moments::skewness_of_three as fn(&Call) -> Result<Box<dyn Fold>>),
        ("kurtosis", moments::sample_kurtosis),
    ] {
        all.aggregate(&[name], &Aggregate::new(name, 1, 1, moments::strict_types, Way::Fold(start)).build());
    }
    for (name, what) in [("sum", What::Sum), ("avg", What::Average)] {
        if let Some(engine) = all.aggregates.get(name).cloned() {
            let signature = Signature::user_defined(Volatility::Immutable);
            all.aggregate(&[name], &Arc::new(AggregateUDF::new_from_impl(OfReal { engine, what, signature })));
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum What {
    Sum,
    Average,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Average => "avg",
        }
    }
}

fn states(name: &str) -> Vec<FieldRef> {
    ["count", "sum"]
        .iter()
        .map(|part| Arc::new(Field::new(format_state_name(name, part), DataType::Float64, true)) as FieldRef)
        .collect()
}

/// Of an aggregate of the engine's, everything but REAL.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OfReal {
    engine: Arc<AggregateUDF>,
    what: What,
    signature: Signature,
}

impl AggregateUDFImpl for OfReal {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &str {
        self.what.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        if let [DataType::Float32] = arguments {
            return Ok(arguments.to_vec());
        }
        let fields: Vec<FieldRef> =
            arguments.iter().map(|given| Arc::new(Field::new("value", given.clone(), true)) as FieldRef).collect();
        let fields =
            datafusion::logical_expr::type_coercion::functions::fields_with_udf(&fields, self.engine.as_ref())?;
        Ok(fields.iter().map(|field| field.data_type().clone()).collect())
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [DataType::Float32] => Ok(DataType::Float32),
            _ => self.engine.return_type(arguments),
        }
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match (arguments.return_type(), arguments.is_distinct) {
            (DataType::Float32, true) => {
                exec_err!("{}(DISTINCT …) of REAL is not supported: cast to double", self.name())
            }
            (DataType::Float32, false) => Ok(Box::new(OfReals { what: self.what, count: 0.0, sum: 0.0 })),
            _ => self.engine.accumulator(arguments),
        }
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        match arguments.return_field.data_type() {
            DataType::Float32 => Ok(states(arguments.name)),
            _ => self.engine.state_fields(arguments),
        }
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs) -> bool {
        *arguments.return_type() != DataType::Float32 && self.engine.groups_accumulator_supported(arguments)
    }

    fn create_groups_accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        self.engine.create_groups_accumulator(arguments)
    }

    fn create_sliding_accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match arguments.return_type() {
            DataType::Float32 => self.accumulator(arguments),
            _ => self.engine.create_sliding_accumulator(arguments),
        }
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }
}

/// In doubles, as Trino adds REALs.
#[derive(Debug)]
struct OfReals {
    what: What,
    count: f64,
    sum: f64,
}

impl Accumulator for OfReals {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = cast(&values[0], &DataType::Float64)?;
        for value in values.as_primitive::<Float64Type>().iter().flatten() {
            self.count += 1.0;
            self.sum += value;
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let parts: Vec<_> = states.iter().map(|state| state.as_primitive::<Float64Type>()).collect();
        for row in 0..parts[0].len() {
            self.count += parts[0].value(row);
            self.sum += parts[1].value(row);
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Float64(Some(self.count)), ScalarValue::Float64(Some(self.sum))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let result = match self.what {
            What::Sum => self.sum,
            What::Average => self.sum / self.count,
        };
        Ok(ScalarValue::Float32((self.count > 0.0).then_some(result as f32)))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}
