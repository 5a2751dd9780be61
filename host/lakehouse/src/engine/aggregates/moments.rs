//! `skewness` and `kurtosis` of both dialects, of central moments that are merged as Spark merges them.

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};

use super::{Call, Fold};
use crate::engine::functions::type_word;

/// A number in, a double out.
pub(in crate::engine) fn types(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    match given {
        [number] if number.is_numeric() || number.is_null() || *number == DataType::Utf8 => {
            Ok((vec![DataType::Float64], DataType::Float64))
        }
        [other, ..] => plan_err!("expected a number, not {}", type_word(other)),
        [] => plan_err!("expected a number"),
    }
}

/// Likewise, where nothing else is converted to a number.
pub(in crate::engine) fn strict_types(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    match given {
        [DataType::Utf8] => plan_err!("expected a number, not {}", type_word(&DataType::Utf8)),
        given => types(given),
    }
}

fn moments(result: fn([f64; 5]) -> Option<f64>) -> Result<Box<dyn Fold>> {
    Ok(Box::new(Moments { result, sums: [0.0; 5] }))
}

/// Null without values, and where all are the same.
fn spread([n, _, m2, ..]: [f64; 5]) -> bool {
    n > 0.0 && m2 != 0.0
}

pub(in crate::engine) fn skewness(_call: &Call) -> Result<Box<dyn Fold>> {
    moments(|sums @ [n, _, m2, m3, _]| spread(sums).then(|| n.sqrt() * m3 / (m2 * m2 * m2).sqrt()))
}

pub(in crate::engine) fn kurtosis(_call: &Call) -> Result<Box<dyn Fold>> {
    moments(|sums @ [n, _, m2, _, m4]| spread(sums).then(|| n * m4 / (m2 * m2) - 3.0))
}

/// Trino's: of three values or more.
pub(in crate::engine) fn skewness_of_three(_call: &Call) -> Result<Box<dyn Fold>> {
    moments(|[n, _, m2, m3, _]| (n >= 3.0).then(|| n.sqrt() * m3 / m2.powf(1.5)))
}

/// Trino's: of a sample, of four values or more.
pub(in crate::engine) fn sample_kurtosis(_call: &Call) -> Result<Box<dyn Fold>> {
    moments(|[n, _, m2, _, m4]| {
        let variance = m2 / (n - 1.0);
        let tail = 3.0 * (n - 1.0).powi(2) / ((n - 2.0) * (n - 3.0));
        let of_all = n * (n + 1.0) / ((n - 1.0) * (n - 2.0) * (n - 3.0)) * m4 / variance.powi(2);
        (n >= 4.0).then_some(of_all - tail)
    })
}

/// How many values, their mean, and the sums of their differences from it squared, cubed, and to the fourth.
#[derive(Debug)]
struct Moments {
    sums: [f64; 5],
    result: fn([f64; 5]) -> Option<f64>,
}

impl Moments {
    fn add(&mut self, other: [f64; 5]) {
        let [n1, mean1, a2, a3, a4] = self.sums;
        let [n2, mean2, b2, b3, b4] = other;
        if n2 == 0.0 {
            return;
        }
        if n1 == 0.0 {
            self.sums = other;
            return;
        }
        let n = n1 + n2;
        let delta = mean2 - mean1;
        let share = delta / n;
        let m2 = a2 + b2 + delta * share * n1 * n2;
        let m3 = a3 + b3 + share * share * delta * n1 * n2 * (n1 - n2) + 3.0 * share * (n1 * b2 - n2 * a2);
        let m4 = a4
            + b4
            + share * share * share * delta * n1 * n2 * (n1 * n1 - n1 * n2 + n2 * n2)
            + 6.0 * share * share * (n1 * n1 * b2 + n2 * n2 * a2)
            + 4.0 * share * (n1 * b3 - n2 * a3);
        self.sums = [n, mean1 + share * n2, m2, m3, m4];
    }
}

impl Fold for Moments {
    fn update(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<Float64Type>().iter().flatten() {
            self.add([1.0, value, 0.0, 0.0, 0.0]);
        }
        Ok(())
    }

    fn merge(&mut self, state: &[u8]) -> Result<()> {
        let (parts, rest) = state.as_chunks::<8>();
        match (<[[u8; 8]; 5]>::try_from(parts), rest) {
            (Ok(parts), []) => self.add(parts.map(f64::from_le_bytes)),
            _ => return exec_err!("expected moments"),
        }
        Ok(())
    }

    fn state(&self) -> Result<Vec<u8>> {
        Ok(self.sums.iter().flat_map(|sum| sum.to_le_bytes()).collect())
    }

    fn value(&self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64((self.result)(self.sums)))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}
