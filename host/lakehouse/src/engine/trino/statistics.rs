//! Aggregates of a column's distribution: `skewness` and `kurtosis`; and sums and averages of REAL, which are REAL.

use std::any::Any;
use std::hash::Hash;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, Signature, Volatility,
};

use crate::engine::dialect::Functions;
use crate::engine::functions::type_word;

/// Registers the aggregates; sums and averages must be there already.
pub(super) fn register(all: &mut Functions) {
    for what in [What::Skewness, What::Kurtosis] {
        let function = Statistic { what, signature: Signature::user_defined(Volatility::Immutable) };
        all.aggregate(&[what.name()], &Arc::new(AggregateUDF::new_from_impl(function)));
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
    Skewness,
    Kurtosis,
    Sum,
    Average,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Skewness => "skewness",
            Self::Kurtosis => "kurtosis",
            Self::Sum => "sum",
            Self::Average => "avg",
        }
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Statistic {
    what: What,
    signature: Signature,
}

fn states(name: &str) -> Vec<FieldRef> {
    ["count", "first", "second", "third", "fourth"]
        .iter()
        .map(|part| Arc::new(Field::new(format_state_name(name, part), DataType::Float64, true)) as FieldRef)
        .collect()
}

impl AggregateUDFImpl for Statistic {
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
        match arguments {
            [number] if number.is_numeric() || number.is_null() => Ok(vec![DataType::Float64]),
            [other] => plan_err!("`{}` takes (a number), not ({})", self.name(), type_word(other)),
            _ => plan_err!("`{}` takes (a number), not {} arguments", self.name(), arguments.len()),
        }
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if arguments.is_distinct {
            return exec_err!("{}(DISTINCT …) is not supported: select the distinct rows before", self.name());
        }
        Ok(Box::new(Moments::new(self.what)))
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(states(arguments.name))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }
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
            (DataType::Float32, false) => Ok(Box::new(Moments::new(self.what))),
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

/// The count, and the sums that the statistic is made of: for the third and fourth powers around the mean, as Trino merges them;
/// else of the values.
#[derive(Debug)]
struct Moments {
    what: What,
    count: f64,
    sums: [f64; 4],
}

impl Moments {
    fn new(what: What) -> Self {
        Self { what, count: 0.0, sums: [0.0; 4] }
    }

    fn is_central(&self) -> bool {
        matches!(self.what, What::Skewness | What::Kurtosis)
    }

    fn add(&mut self, other: f64, of: [f64; 4]) {
        if other == 0.0 {
            return;
        }
        if !self.is_central() {
            self.count += other;
            for (sum, of) in self.sums.iter_mut().zip(of) {
                *sum += of;
            }
            return;
        }
        let (na, nb) = (self.count, other);
        let n = na + nb;
        let [mean_a, a2, a3, a4] = self.sums;
        let [mean_b, b2, b3, b4] = of;
        let d = mean_b - mean_a;
        let m2 = a2 + b2 + d * d * na * nb / n;
        let m3 = a3 + b3 + d.powi(3) * na * nb * (na - nb) / (n * n) + 3.0 * d * (na * b2 - nb * a2) / n;
        let m4 = a4
            + b4
            + d.powi(4) * na * nb * (na * na - na * nb + nb * nb) / (n * n * n)
            + 6.0 * d * d * (na * na * b2 + nb * nb * a2) / (n * n)
            + 4.0 * d * (na * b3 - nb * a3) / n;
        self.count = n;
        self.sums = [(na * mean_a + nb * mean_b) / n, m2, m3, m4];
    }

    fn result(&self) -> Option<f64> {
        let (n, [first, m2, m3, m4]) = (self.count, self.sums);
        match self.what {
            What::Skewness if n < 3.0 => None,
            What::Skewness => Some(n.sqrt() * m3 / m2.powf(1.5)),
            What::Kurtosis if n < 4.0 => None,
            What::Kurtosis => {
                let variance = m2 / (n - 1.0);
                let tail = 3.0 * (n - 1.0).powi(2) / ((n - 2.0) * (n - 3.0));
                Some(n * (n + 1.0) / ((n - 1.0) * (n - 2.0) * (n - 3.0)) * m4 / variance.powi(2) - tail)
            }
            What::Sum => (n > 0.0).then_some(first),
            What::Average => (n > 0.0).then(|| first / n),
        }
    }
}

impl Accumulator for Moments {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = cast(&values[0], &DataType::Float64)?;
        for value in values.as_primitive::<Float64Type>().iter().flatten() {
            self.add(1.0, [value, 0.0, 0.0, 0.0]);
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let parts: Vec<_> = states.iter().map(|state| state.as_primitive::<Float64Type>()).collect();
        for row in 0..parts[0].len() {
            let of = [1, 2, 3, 4].map(|part: usize| parts[part].value(row));
            self.add(parts[0].value(row), of);
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok([self.count].into_iter().chain(self.sums).map(|part| ScalarValue::Float64(Some(part))).collect())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let result = self.result();
        Ok(match self.what {
            What::Sum | What::Average => ScalarValue::Float32(result.map(|value| value as f32)),
            _ => ScalarValue::Float64(result),
        })
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}
