//! `approx_percentile(value[, weight], part)`: the value that has that part of the rows, or of the weights, before it.
//!
//! Exact up to [`KEPT`] values of a group; from then on neighbours are merged, as in Trino's own digests, so that a group's
//! memory stays what it is.

use std::any::Any;
use std::hash::Hash;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, ReversedUDAF, Signature, Volatility};

use crate::engine::dialect::Functions;
use crate::engine::functions::type_word;

/// Values of a group before neighbours are merged: a rank is off by a hundred-thousandth then.
const KEPT: usize = 1 << 17;

/// Registers the aggregate.
pub(super) fn register(all: &mut Functions) {
    let function = Percentile { signature: Signature::user_defined(Volatility::Immutable) };
    all.aggregate(&["approx_percentile"], &Arc::new(AggregateUDF::new_from_impl(function)));
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Percentile {
    signature: Signature,
}

impl AggregateUDFImpl for Percentile {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &'static str {
        "approx_percentile"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let is_right =
            (2..=3).contains(&arguments.len()) && arguments.iter().all(|given| given.is_numeric() || given.is_null());
        if !is_right {
            let given: Vec<String> = arguments.iter().map(type_word).collect();
            return plan_err!(
                "`approx_percentile` takes (a number, [a weight], a part from 0 to 1), not ({})",
                given.join(", ")
            );
        }
        let value = match &arguments[0] {
            whole if whole.is_integer() => DataType::Int64,
            DataType::Float32 => DataType::Float32,
            _ => DataType::Float64,
        };
        Ok([value].into_iter().chain(arguments[1..].iter().map(|_| DataType::Float64)).collect())
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments[0].clone())
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if arguments.is_distinct {
            return exec_err!("approx_percentile(DISTINCT …) is not supported: select the distinct rows before");
        }
        Ok(Box::new(Values { to: arguments.return_type().clone(), values: Vec::new(), part: None }))
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let list = |part: &str| {
            let name = format_state_name(arguments.name, part);
            Arc::new(Field::new(name, DataType::new_list(DataType::Float64, true), true)) as FieldRef
        };
        let part = Field::new(format_state_name(arguments.name, "part"), DataType::Float64, true);
        Ok(vec![list("values"), list("weights"), Arc::new(part)])
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }
}

#[derive(Debug)]
struct Values {
    to: DataType,
    /// With the weight of each.
    values: Vec<(f64, f64)>,
    part: Option<f64>,
}

impl Values {
    fn sort(&mut self) {
        self.values.sort_by(|(left, _), (right, _)| left.total_cmp(right));
    }

    /// Halves the values once there are too many; the least and the greatest stay.
    fn merge_neighbours(&mut self) {
        if self.values.len() <= KEPT {
            return;
        }
        self.sort();
        let last = self.values.len() - 1;
        let mut merged = vec![self.values[0]];
        for pair in self.values[1..last].chunks(2) {
            let weight: f64 = pair.iter().map(|(_, weight)| weight).sum();
            let sum: f64 = pair.iter().map(|(value, weight)| value * weight).sum();
            merged.push((sum / weight, weight));
        }
        merged.push(self.values[last]);
        self.values = merged;
    }

    fn found(&mut self) -> Option<f64> {
        let part = self.part?;
        self.sort();
        let total: f64 = self.values.iter().map(|(_, weight)| weight).sum();
        let mut before = 0.0;
        let found = self.values.iter().find(|(_, weight)| {
            before += weight;
            before > part * total
        });
        found.or(self.values.last()).map(|(value, _)| *value)
    }
}

impl Accumulator for Values {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let columns = values.iter().map(|values| cast(values, &DataType::Float64)).collect::<Result<Vec<_>, _>>()?;
        let columns: Vec<_> = columns.iter().map(|column| column.as_primitive::<Float64Type>()).collect();
        let [first, weights @ .., parts] = columns.as_slice() else { return exec_err!("expected a value and a part") };
        for row in 0..first.len() {
            if parts.is_null(row) {
                return exec_err!("approx_percentile takes a part from 0 to 1, not NULL");
            }
            let part = parts.value(row);
            if !(0.0..=1.0).contains(&part) {
                return exec_err!("approx_percentile takes a part from 0 to 1, not {part}");
            }
            self.part = Some(part);
            let weight = match weights {
                [weights] if weights.is_null(row) => continue,
                [weights] => weights.value(row),
                _ => 1.0,
            };
            if !(weight > 0.0 && weight.is_finite()) {
                return exec_err!("approx_percentile takes weights above 0, not {weight}");
            }
            if first.is_valid(row) {
                self.values.push((first.value(row), weight));
            }
        }
        self.merge_neighbours();
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let (values, weights) = (states[0].as_list::<i32>(), states[1].as_list::<i32>());
        let parts = states[2].as_primitive::<Float64Type>();
        for row in 0..values.len() {
            if values.is_null(row) || weights.is_null(row) {
                continue;
            }
            let (values, weights) = (values.value(row), weights.value(row));
            let pairs = values.as_primitive::<Float64Type>().values().iter().copied();
            self.values.extend(pairs.zip(weights.as_primitive::<Float64Type>().values().iter().copied()));
            if parts.is_valid(row) {
                self.part = Some(parts.value(row));
            }
        }
        self.merge_neighbours();
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let list =
            |values: Vec<ScalarValue>| ScalarValue::List(ScalarValue::new_list(&values, &DataType::Float64, true));
        let values = self.values.iter().map(|(value, _)| ScalarValue::Float64(Some(*value))).collect();
        let weights = self.values.iter().map(|(_, weight)| ScalarValue::Float64(Some(*weight))).collect();
        Ok(vec![list(values), list(weights), ScalarValue::Float64(self.part)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let found = self.found();
        Ok(match self.to {
            DataType::Int64 => ScalarValue::Int64(found.map(|value| value.round() as i64)),
            DataType::Float32 => ScalarValue::Float32(found.map(|value| value as f32)),
            _ => ScalarValue::Float64(found),
        })
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.capacity() * size_of::<(f64, f64)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_values_than_are_kept_are_found_nearly() {
        let values = (0..1_000_000).map(|value| (f64::from(value), 1.0));
        let mut all = Values { to: DataType::Float64, values: Vec::new(), part: Some(0.9) };
        for value in values {
            all.values.push(value);
            all.merge_neighbours();
        }
        assert!((all.found().unwrap() - 900_000.0).abs() < 2_000.0);
        assert!(all.values.len() <= KEPT + 1);
    }
}
