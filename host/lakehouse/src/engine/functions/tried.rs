//! `TRY(function(…))`: where a batch has an error, its rows are computed one by one, and a row with an error is null.

use std::any::Any;
use std::hash::Hash;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, new_null_array};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::Function;

/// The same call with nulls in the place of errors, if it is one of a function of ours.
pub(in crate::engine) fn lenient(call: &ScalarFunction) -> Option<Expr> {
    call.func.inner().as_any().downcast_ref::<Function>()?;
    let tried = Tried { inner: Arc::clone(&call.func), signature: Signature::user_defined(Volatility::Immutable) };
    let function = Arc::new(ScalarUDF::new_from_impl(tried));
    Some(Expr::ScalarFunction(ScalarFunction::new_udf(function, call.args.clone())))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Tried {
    inner: Arc<ScalarUDF>,
    signature: Signature,
}

impl ScalarUDFImpl for Tried {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &'static str {
        "$try"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(given)
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        Ok(format!("$try({})", self.inner.schema_name(arguments)?))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let Ok(all) = self.inner.invoke_with_args(args.clone()) {
            return Ok(all);
        }
        let rows = args.number_rows;
        let arrays: Vec<ArrayRef> = args.args.iter().map(|argument| argument.to_array(rows)).collect::<Result<_>>()?;
        let mut found = Vec::with_capacity(rows);
        for row in 0..rows {
            let one = ScalarFunctionArgs {
                args: arrays.iter().map(|array| ColumnarValue::Array(array.slice(row, 1))).collect(),
                number_rows: 1,
                ..args.clone()
            };
            found.push(match self.inner.invoke_with_args(one) {
                Ok(value) => value.to_array(1)?,
                Err(_) => new_null_array(args.return_field.data_type(), 1),
            });
        }
        let parts: Vec<&dyn datafusion::arrow::array::Array> = found.iter().map(AsRef::as_ref).collect();
        if parts.is_empty() {
            return Ok(ColumnarValue::Array(new_null_array(args.return_field.data_type(), 0)));
        }
        Ok(ColumnarValue::Array(concat(&parts)?))
    }
}
