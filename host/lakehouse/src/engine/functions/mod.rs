//! Functions that the dialects have and the engine underneath lacks, or means differently.
//!
//! One [`Function`] is a name, what kinds of arguments it takes, its result's type, and a loop over rows. Arguments arrive in
//! one type per [`Kind`], so a loop handles one type. Which arguments are converted silently is each dialect's policy
//! (`Meaning::call`); here only types of one kind are brought to one width.

pub(super) mod bytes;
mod check;
pub(super) mod ciphers;
pub(super) mod collections;
pub(super) mod dates;
pub(super) mod documents;
pub(super) mod hashes;
pub(super) mod intervals;
pub(super) mod lists;
pub(super) mod made;
pub(super) mod maps;
pub(super) mod masks;
pub(super) mod math;
pub(super) mod number_formats;
pub(super) mod patterns;
pub(super) mod sequences;
pub(super) mod text;
pub(super) mod tried;
pub(super) mod variants;
pub(super) mod windows;
pub(super) mod words;

use std::any::Any;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, new_empty_array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

pub(super) use check::check;

/// A kind of argument; its values arrive in one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// `Utf8`.
    Text,
    /// `Utf8` or `Binary`.
    TextOrBytes,
    /// `Int64`.
    Whole,
    /// `Float64`.
    Number,
    /// A timestamp or date: `Timestamp(Microsecond, …)` with its time zone, if it has one.
    Moment,
    /// Likewise, or an interval: what has years, months and days.
    MomentOrInterval,
    /// Likewise, or a time of day, `Time64(Microsecond)`: what has hours, minutes and seconds.
    MomentOrTime,
    /// `Date32`; a timestamp counts by its day.
    Day,
    /// A list; as it is.
    List,
    /// `Utf8`, or a list as it is.
    TextOrList,
    /// As it is.
    Any,
}

impl Kind {
    /// The type that a value of this type arrives in; none: it is of another kind.
    pub(super) fn arrives(self, given: &DataType) -> Option<DataType> {
        let moment = |zone| DataType::Timestamp(TimeUnit::Microsecond, zone);
        match (self, given) {
            (Self::Any, other) => Some(other.clone()),
            (Self::Text, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null) => {
                Some(DataType::Utf8)
            }
            (Self::TextOrBytes, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null) => {
                Some(DataType::Utf8)
            }
            (
                Self::TextOrBytes,
                DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_),
            ) => Some(DataType::Binary),
            (Self::TextOrList, given) => Self::Text.arrives(given).or_else(|| Self::List.arrives(given)),
            (Self::Whole, other) if other.is_integer() || other.is_null() => Some(DataType::Int64),
            (Self::Number, other) if other.is_numeric() || other.is_null() => Some(DataType::Float64),
            (Self::Moment, DataType::Timestamp(_, zone)) => Some(moment(zone.clone())),
            (Self::Moment, DataType::Date32 | DataType::Date64 | DataType::Null) => Some(moment(None)),
            (Self::MomentOrInterval | Self::MomentOrTime, given) => {
                let arrived = Self::Moment.arrives(given);
                arrived.or_else(|| intervals::arrives(given, matches!(self, Self::MomentOrTime)))
            }
            (Self::Day, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) | DataType::Null) => {
                Some(DataType::Date32)
            }
            (Self::List, DataType::List(item)) => Some(DataType::List(Arc::clone(item))),
            (Self::List, DataType::LargeList(item) | DataType::FixedSizeList(item, _)) => {
                Some(DataType::List(Arc::clone(item)))
            }
            _ => None,
        }
    }

    /// The type of its own that a value is converted to.
    fn plain(self) -> Option<DataType> {
        Some(match self {
            Self::Text | Self::TextOrBytes | Self::TextOrList => DataType::Utf8,
            Self::Whole => DataType::Int64,
            Self::Number => DataType::Float64,
            Self::Moment | Self::MomentOrInterval | Self::MomentOrTime => {
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
            }
            Self::Day => DataType::Date32,
            Self::List | Self::Any => return None,
        })
    }

    fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::TextOrBytes => "text or binary",
            Self::Whole => "a whole number",
            Self::Number => "a number",
            Self::Moment | Self::MomentOrInterval | Self::MomentOrTime => "a timestamp",
            Self::Day => "a date",
            Self::List => "a list",
            Self::TextOrList => "text or a list",
            Self::Any => "any value",
        }
    }
}

/// The loop over rows: arguments of equal length in, one array of the result's type out.
pub(super) type Rows = fn(&[ArrayRef], &DataType) -> Result<ArrayRef>;

/// The result's type.
#[derive(Debug, Clone)]
pub(super) enum Returns {
    Always(DataType),
    /// By the arguments' types, as they arrive.
    By(fn(&[DataType]) -> Result<DataType>),
    /// Likewise, and by the arguments that the statement writes out: a format, a schema.
    ByValues(fn(&[DataType], &[Option<&ScalarValue>]) -> Result<DataType>),
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Function {
    name: &'static str,
    parameters: &'static [Kind],
    /// How many of the last parameters may be left out.
    optional: usize,
    /// Of this kind, any number of arguments may follow.
    rest: Option<Kind>,
    returns: Returns,
    rows: Rows,
    /// Whether a simple value of another kind is let through for the dialect's meaning to convert, which comes after names
    /// and before anything else.
    lenient: bool,
    signature: Signature,
}

/// For a call that is replaced before it is run.
pub(super) fn not_run(_arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    internal_err!("this function is replaced before it is run")
}

impl Function {
    pub(super) fn new(name: &'static str, parameters: &'static [Kind], returns: Returns, rows: Rows) -> Self {
        let signature = Signature::user_defined(Volatility::Immutable);
        Self { name, parameters, optional: 0, rest: None, returns, rows, lenient: false, signature }
    }

    /// A call that a meaning puts something else in the place of, before it is run; its type is its first argument's.
    pub(super) fn replaced(name: &'static str, parameters: &'static [Kind]) -> Self {
        let first = |types: &[DataType]| types.first().cloned().map_or_else(|| plan_err!("expected a value"), Ok);
        Self::new(name, parameters, Returns::By(first), not_run)
    }

    pub(super) fn optional(mut self, count: usize) -> Self {
        self.optional = count;
        self
    }

    pub(super) fn rest(mut self, kind: Kind) -> Self {
        self.rest = Some(kind);
        self
    }

    pub(super) fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// Run where the statement comes to it, and never before: it fails on purpose.
    pub(super) fn volatile(mut self) -> Self {
        self.signature = Signature::user_defined(Volatility::Volatile);
        self
    }

    pub(super) fn build(self) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::new_from_impl(self))
    }

    /// The kind of the argument at a position.
    pub(super) fn kind(&self, index: usize) -> Option<Kind> {
        self.parameters.get(index).copied().or(self.rest)
    }

    /// The error for arguments of these types.
    pub(super) fn refused<T>(&self, given: &[DataType]) -> Result<T> {
        let given: Vec<String> = given.iter().map(type_word).collect();
        plan_err!("{}, not ({})", self.shape(), given.join(", "))
    }

    /// `date_diff(text, a timestamp, a timestamp)`.
    fn shape(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        for (index, kind) in self.parameters.iter().enumerate() {
            let optional = index >= self.parameters.len() - self.optional;
            words.push(if optional { format!("[{}]", kind.word()) } else { kind.word().to_owned() });
        }
        if self.rest.is_some() {
            words.push("…".to_owned());
        }
        format!("`{}` takes ({})", self.name, words.join(", "))
    }
}

impl PartialEq for Function {
    /// Both dialects may have a function of one name: it is the same if its loop is.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.rows as usize == other.rows as usize
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
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
        let least = self.parameters.len() - self.optional;
        let fits = given.len() >= least && (given.len() <= self.parameters.len() || self.rest.is_some());
        if !fits {
            return plan_err!("{}, not {} arguments", self.shape(), given.len());
        }
        let arrive = given.iter().enumerate().map(|(index, given)| {
            let kind = self.kind(index)?;
            let is_let_through = is_simple(given) || kind == Kind::Text && is_binary(given);
            kind.arrives(given).or_else(|| (self.lenient && is_let_through).then(|| kind.plain()).flatten())
        });
        arrive.collect::<Option<Vec<_>>>().map_or_else(|| self.refused(given), Ok)
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match &self.returns {
            Returns::Always(data_type) => Ok(data_type.clone()),
            Returns::By(by) => by(arguments),
            Returns::ByValues(by) => by(arguments, &vec![None; arguments.len()]),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let data_type = match &self.returns {
            Returns::ByValues(by) => by(&types, args.scalar_arguments)?,
            _ => self.return_type(&types)?,
        };
        Ok(Arc::new(Field::new(self.name, data_type, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        // Without rows nothing fails.
        if args.number_rows == 0 {
            return Ok(ColumnarValue::Array(new_empty_array(args.return_field.data_type())));
        }
        over_rows(&args, |arrays| {
            let wanted = args.return_field.data_type();
            let result = (self.rows)(arrays, wanted)?;
            // Lists of one kind may name their elements differently.
            Ok(if result.data_type() == wanted { result } else { cast(&result, wanted)? })
        })
    }
}

/// Runs a loop over rows. Arguments that are all constants are one row, and so is the result.
pub(super) fn over_rows(
    args: &ScalarFunctionArgs,
    rows: impl FnOnce(&[ArrayRef]) -> Result<ArrayRef>,
) -> Result<ColumnarValue> {
    let constant =
        !args.args.is_empty() && args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
    let length = if constant { 1 } else { args.number_rows };
    let arrays = args.args.iter().map(|argument| argument.to_array(length)).collect::<Result<Vec<_>>>()?;
    let result = rows(&arrays)?;
    if constant {
        return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
    }
    Ok(ColumnarValue::Array(result))
}

/// Numbers, text, truth, days and moments: what has one value, which can be written.
pub(super) fn is_simple(data_type: &DataType) -> bool {
    data_type.is_numeric()
        || matches!(
            data_type,
            DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
                | DataType::Boolean
                | DataType::Date32
                | DataType::Date64
                | DataType::Timestamp(..)
        )
}

fn is_binary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

/// A type as people say it.
pub(super) fn type_word(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 | DataType::Int16 | DataType::Int32 => "int".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Timestamp(_, None) => "timestamp".to_owned(),
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "binary".to_owned(),
        DataType::List(item) | DataType::LargeList(item) => format!("list of {}", type_word(item.data_type())),
        DataType::Null => "NULL".to_owned(),
        DataType::Interval(_) | DataType::Duration(_) => "interval".to_owned(),
        other => other.to_string(),
    }
}
