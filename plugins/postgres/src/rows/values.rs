//! The values of one column on their way into an Arrow array.
//!
//! No value is allocated on its own: numbers go into a vector of their type, texts and bytes into one buffer, whose UTF-8 is
//! checked once for the whole array.

use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder,
    Int32Builder, Int64Builder, NullBufferBuilder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, BinaryArray, ListArray, StringArray};
use arrow_buffer::OffsetBufferBuilder;
use arrow_schema::Field;

use super::array::Elements;
use super::fault::Fault;
use super::numeric;
use crate::types::Kind;

/// PostgreSQL counts days and microseconds from 2000-01-01.
pub(super) const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROSECONDS: i64 = 946_684_800_000_000;

pub(super) const DAY_MICROSECONDS: i64 = 86_400_000_000;

/// The only version there is of jsonb's binary form.
const JSONB_VERSION: u8 = 1;

/// An array under construction, by the kind of its values.
pub(super) enum Values {
    Boolean(BooleanBuilder),
    Int16(Int32Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Oid(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal {
        builder: Decimal128Builder,
        scale: u8,
    },
    Text(BinaryBuilder),
    Jsonb(BinaryBuilder),
    Uuid(BinaryBuilder),
    Bytes(BinaryBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    /// Both kinds: PostgreSQL keeps UTC.
    Timestamp(TimestampMicrosecondBuilder),
    List(Box<ListValues>),
}

/// Lists under construction.
pub(super) struct ListValues {
    lengths: OffsetBufferBuilder<i32>,
    nulls: NullBufferBuilder,
    elements: Values,
    kind: Kind,
}

impl Values {
    /// Room for `rows` values.
    pub(super) fn new(kind: &Kind, rows: usize) -> Self {
        match kind {
            Kind::Boolean => Self::Boolean(BooleanBuilder::with_capacity(rows)),
            Kind::Int16 => Self::Int16(Int32Builder::with_capacity(rows)),
            Kind::Int32 => Self::Int32(Int32Builder::with_capacity(rows)),
            Kind::Int64 => Self::Int64(Int64Builder::with_capacity(rows)),
            Kind::Oid => Self::Oid(Int64Builder::with_capacity(rows)),
            Kind::Float32 => Self::Float32(Float32Builder::with_capacity(rows)),
            Kind::Float64 => Self::Float64(Float64Builder::with_capacity(rows)),
            Kind::Decimal { scale, .. } => Self::Decimal {
                builder: Decimal128Builder::with_capacity(rows).with_data_type(kind.arrow()),
                scale: *scale,
            },
            Kind::Text => Self::Text(BinaryBuilder::with_capacity(rows, 0)),
            Kind::Jsonb => Self::Jsonb(BinaryBuilder::with_capacity(rows, 0)),
            Kind::Uuid => Self::Uuid(BinaryBuilder::with_capacity(rows, 0)),
            Kind::Bytes => Self::Bytes(BinaryBuilder::with_capacity(rows, 0)),
            Kind::Date => Self::Date(Date32Builder::with_capacity(rows)),
            Kind::Time => Self::Time(Time64MicrosecondBuilder::with_capacity(rows)),
            Kind::Timestamp | Kind::TimestampTz => {
                Self::Timestamp(TimestampMicrosecondBuilder::with_capacity(rows).with_data_type(kind.arrow()))
            }
            Kind::List(element) => Self::List(Box::new(ListValues {
                lengths: OffsetBufferBuilder::new(rows),
                nulls: NullBufferBuilder::new(rows),
                elements: Self::new(element, rows),
                kind: element.as_ref().clone(),
            })),
        }
    }

    /// Takes a value in PostgreSQL's binary form, and tells how many elements of a list became null since they have no
    /// counterpart. After `NoCounterpart` nothing has been taken; the other faults end the array.
    pub(super) fn push(&mut self, value: &[u8]) -> Result<u64, Fault> {
        match self {
            Self::Boolean(builder) => builder.append_value(fixed::<1>(value)? != [0]),
            Self::Int16(builder) => builder.append_value(i16::from_be_bytes(fixed(value)?).into()),
            Self::Int32(builder) => builder.append_value(i32::from_be_bytes(fixed(value)?)),
            Self::Int64(builder) => builder.append_value(i64::from_be_bytes(fixed(value)?)),
            Self::Oid(builder) => builder.append_value(u32::from_be_bytes(fixed(value)?).into()),
            Self::Float32(builder) => builder.append_value(f32::from_be_bytes(fixed(value)?)),
            Self::Float64(builder) => builder.append_value(f64::from_be_bytes(fixed(value)?)),
            Self::Decimal { builder, scale } => builder.append_value(numeric::decode(value, *scale)?),
            Self::Text(builder) | Self::Bytes(builder) => builder.append_value(value),
            Self::Jsonb(builder) => match value {
                [JSONB_VERSION, text @ ..] => builder.append_value(text),
                _ => return Err(Fault::Malformed),
            },
            Self::Uuid(builder) => builder.append_value(hyphenated(fixed(value)?)),
            Self::Date(builder) => builder.append_value(date(value)?),
            Self::Time(builder) => builder.append_value(time(value)?),
            Self::Timestamp(builder) => builder.append_value(timestamp(value)?),
            Self::List(list) => return list.push(value),
        }
        Ok(0)
    }

    pub(super) fn push_null(&mut self) {
        match self {
            Self::Boolean(builder) => builder.append_null(),
            Self::Int16(builder) | Self::Int32(builder) => builder.append_null(),
            Self::Int64(builder) | Self::Oid(builder) => builder.append_null(),
            Self::Float32(builder) => builder.append_null(),
            Self::Float64(builder) => builder.append_null(),
            Self::Decimal { builder, .. } => builder.append_null(),
            Self::Text(builder) | Self::Jsonb(builder) | Self::Uuid(builder) | Self::Bytes(builder) => {
                builder.append_null();
            }
            Self::Date(builder) => builder.append_null(),
            Self::Time(builder) => builder.append_null(),
            Self::Timestamp(builder) => builder.append_null(),
            Self::List(list) => list.push_null(),
        }
    }

    /// The array so far; the next one starts empty. Texts that are no UTF-8 are mended as `mending` allows, and their number
    /// is told.
    pub(super) fn finish(&mut self, mending: Mending) -> Result<(ArrayRef, u64), Fault> {
        let array: ArrayRef = match self {
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Int16(builder) | Self::Int32(builder) => Arc::new(builder.finish()),
            Self::Int64(builder) | Self::Oid(builder) => Arc::new(builder.finish()),
            Self::Float32(builder) => Arc::new(builder.finish()),
            Self::Float64(builder) => Arc::new(builder.finish()),
            Self::Decimal { builder, .. } => Arc::new(builder.finish()),
            Self::Text(builder) | Self::Jsonb(builder) | Self::Uuid(builder) => {
                return utf8(emptied(builder), mending);
            }
            Self::Bytes(builder) => Arc::new(emptied(builder)),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Time(builder) => Arc::new(builder.finish()),
            Self::Timestamp(builder) => Arc::new(builder.finish()),
            Self::List(list) => return list.finish(mending),
        };
        Ok((array, 0))
    }
}

/// What is done about texts that are no UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mending {
    /// U+FFFD takes the place of what is none.
    Replaced,
    /// Two keys may become the same by that.
    Refused,
}

fn utf8(texts: BinaryArray, mending: Mending) -> Result<(ArrayRef, u64), Fault> {
    // The check is of the whole buffer; only where it fails is each text looked at.
    match StringArray::try_from_binary(texts.clone()) {
        Ok(array) => return Ok((Arc::new(array), 0)),
        Err(_) if mending == Mending::Refused => return Err(Fault::NotUtf8),
        Err(_) => {}
    }
    let mut mended = 0;
    let texts = texts.iter().map(|text| {
        text.map(|text| {
            let text = String::from_utf8_lossy(text);
            mended += u64::from(matches!(text, std::borrow::Cow::Owned(_)));
            text
        })
    });
    let array: StringArray = texts.collect();
    Ok((Arc::new(array), mended))
}

impl ListValues {
    fn push(&mut self, value: &[u8]) -> Result<u64, Fault> {
        let elements = Elements::parse(value)?.collect::<Result<Vec<_>, Fault>>()?;
        self.push_elements(elements.into_iter(), Values::push)
    }

    pub(super) fn push_elements<'a>(
        &mut self,
        elements: impl Iterator<Item = Option<&'a [u8]>>,
        push: impl Fn(&mut Values, &'a [u8]) -> Result<u64, Fault>,
    ) -> Result<u64, Fault> {
        let mut lost = 0;
        let mut length = 0;
        for element in elements {
            length += 1;
            match element.map(|value| push(&mut self.elements, value)) {
                None => self.elements.push_null(),
                Some(Ok(more)) => lost += more,
                Some(Err(Fault::NoCounterpart)) => {
                    self.elements.push_null();
                    lost += 1;
                }
                Some(Err(fault)) => return Err(fault),
            }
        }
        self.lengths.push_length(length);
        self.nulls.append_non_null();
        Ok(lost)
    }

    fn push_null(&mut self) {
        self.lengths.push_length(0);
        self.nulls.append_null();
    }

    fn finish(&mut self, mending: Mending) -> Result<(ArrayRef, u64), Fault> {
        let lengths = std::mem::replace(&mut self.lengths, OffsetBufferBuilder::new(0));
        let field = Arc::new(Field::new("element", self.kind.arrow(), true));
        let (elements, mended) = self.elements.finish(mending)?;
        let list = ListArray::try_new(field, lengths.finish(), elements, self.nulls.finish());
        list.map(|list| (Arc::new(list) as ArrayRef, mended)).map_err(|error| Fault::Arrow(error.to_string()))
    }
}

/// Takes the array and leaves room for another of the same size, so that its buffer need not grow step by step.
fn emptied(builder: &mut BinaryBuilder) -> BinaryArray {
    let bytes = builder.values_slice().len();
    let next = BinaryBuilder::with_capacity(builder.len(), bytes + bytes / 8);
    std::mem::replace(builder, next).finish()
}

fn fixed<const N: usize>(value: &[u8]) -> Result<[u8; N], Fault> {
    value.try_into().map_err(|_| Fault::Malformed)
}

fn date(value: &[u8]) -> Result<i32, Fault> {
    match i32::from_be_bytes(fixed(value)?) {
        i32::MIN | i32::MAX => Err(Fault::NoCounterpart),
        days => days.checked_add(EPOCH_DAYS).ok_or(Fault::NoCounterpart),
    }
}

fn time(value: &[u8]) -> Result<i64, Fault> {
    match i64::from_be_bytes(fixed(value)?) {
        DAY_MICROSECONDS => Err(Fault::NoCounterpart),
        time => Ok(time),
    }
}

fn timestamp(value: &[u8]) -> Result<i64, Fault> {
    match i64::from_be_bytes(fixed(value)?) {
        i64::MIN | i64::MAX => Err(Fault::NoCounterpart),
        time => time.checked_add(EPOCH_MICROSECONDS).ok_or(Fault::NoCounterpart),
    }
}

/// `a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11`.
fn hyphenated(bytes: [u8; 16]) -> [u8; 36] {
    const HEXADECIMAL: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'-'; 36];
    let mut at = 0;
    for (index, byte) in bytes.into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            at += 1;
        }
        text[at] = HEXADECIMAL[usize::from(byte >> 4)];
        text[at + 1] = HEXADECIMAL[usize::from(byte & 15)];
        at += 2;
    }
    text
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Int32Type, TimestampMicrosecondType};

    use super::*;

    #[test]
    fn infinities_have_no_counterpart_and_leave_no_trace() {
        let mut values = Values::new(&Kind::TimestampTz, 2);
        assert_eq!(values.push(&i64::MAX.to_be_bytes()), Err(Fault::NoCounterpart));
        assert_eq!(values.push(&i64::MIN.to_be_bytes()), Err(Fault::NoCounterpart));
        // The end of PostgreSQL's calendar, 294276-12-31, is beyond 64 bits from 1970.
        assert_eq!(values.push(&9_223_371_331_199_999_999_i64.to_be_bytes()), Err(Fault::NoCounterpart));
        values.push(&0_i64.to_be_bytes()).unwrap();
        // The beginning, 4713-11-24 BC, is not.
        values.push(&(-211_813_488_000_000_000_i64).to_be_bytes()).unwrap();
        let array = values.finish(Mending::Refused).unwrap().0;
        let array = array.as_primitive::<TimestampMicrosecondType>();
        assert_eq!(array.values().to_vec(), [946_684_800_000_000, -210_866_803_200_000_000]);
        assert_eq!(Values::new(&Kind::Time, 1).push(&DAY_MICROSECONDS.to_be_bytes()), Err(Fault::NoCounterpart));
        assert_eq!(Values::new(&Kind::Date, 1).push(&i32::MAX.to_be_bytes()), Err(Fault::NoCounterpart));
    }

    #[test]
    fn lists_keep_null_elements_null_lists_and_empty_ones_apart() {
        let element = |value: i32| [4_i32.to_be_bytes(), value.to_be_bytes()].concat();
        let array = |elements: &[Vec<u8>]| {
            let length = i32::try_from(elements.len()).unwrap();
            let header = [1, 1, 23, length, -5].map(i32::to_be_bytes).concat();
            [header, elements.concat()].concat()
        };
        let mut values = Values::new(&Kind::List(Box::new(Kind::Int32)), 4);
        values.push(&array(&[element(7), (-1_i32).to_be_bytes().to_vec(), element(9)])).unwrap();
        values.push_null();
        values.push(&[0_i32, 0, 23].map(i32::to_be_bytes).concat()).unwrap();
        let two = [2, 0, 23, 1, 1, 1, 1].map(i32::to_be_bytes).concat();
        assert_eq!(values.push(&[two, element(1)].concat()), Err(Fault::NoCounterpart));

        let array = values.finish(Mending::Refused).unwrap().0;
        let array = array.as_list::<i32>();
        let rows: Vec<Option<Vec<Option<i32>>>> =
            array.iter().map(|list| list.map(|list| list.as_primitive::<Int32Type>().iter().collect())).collect();
        assert_eq!(rows, [Some(vec![Some(7), None, Some(9)]), None, Some(vec![])]);
    }

    #[test]
    fn texts_are_checked_and_uuids_are_written_out() {
        let mut values = Values::new(&Kind::Uuid, 1);
        values
            .push(&[0xa0, 0xee, 0xbc, 0x99, 0x9c, 0x0b, 0x4e, 0xf8, 0xbb, 0x6d, 0x6b, 0xb9, 0xbd, 0x38, 0x0a, 0x11])
            .unwrap();
        assert_eq!(
            values.finish(Mending::Refused).unwrap().0.as_string::<i32>().value(0),
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
        );
        assert_eq!(values.push(b"short"), Err(Fault::Malformed));

        let mut values = Values::new(&Kind::Text, 2);
        values.push("Zürich".as_bytes()).unwrap();
        values.push(&[0xff]).unwrap();
        assert_eq!(values.finish(Mending::Refused).unwrap_err(), Fault::NotUtf8);
        values.push(b"a\xffb").unwrap();
        values.push(b"ok").unwrap();
        let (mended, count) = values.finish(Mending::Replaced).unwrap();
        assert_eq!(
            (mended.as_string::<i32>().value(0), mended.as_string::<i32>().value(1), count),
            ("a\u{fffd}b", "ok", 1)
        );
        // Two halves of one character, in two values, make no text.
        values.push(&"ü".as_bytes()[..1]).unwrap();
        values.push(&"ü".as_bytes()[1..]).unwrap();
        assert_eq!(values.finish(Mending::Refused).unwrap_err(), Fault::NotUtf8);
    }
}
